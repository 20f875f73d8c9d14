-- setup
-- shows: constraints: ON DELETE with NO ACTION, RESTRICT, CASCADE, SET NULL, SET DEFAULT
CREATE TABLE p (id int PRIMARY KEY, v text);
CREATE TABLE cas (id int PRIMARY KEY, p_id int NOT NULL REFERENCES p ON DELETE CASCADE, v text);
CREATE TABLE grand (id int PRIMARY KEY, cas_id int REFERENCES cas ON DELETE CASCADE);
CREATE TABLE nul (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE SET NULL, v text);
CREATE TABLE def (id int PRIMARY KEY, p_id int DEFAULT 1 REFERENCES p ON DELETE SET DEFAULT);
CREATE TABLE res (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE RESTRICT);
INSERT INTO p SELECT n, 'p' || n FROM generate_series(1, 12) n;
INSERT INTO cas SELECT n, (n - 1) % 10 + 1, 'cas' FROM generate_series(1, 30) n;
INSERT INTO grand SELECT n, (n - 1) % 30 + 1 FROM generate_series(1, 60) n;
INSERT INTO nul SELECT n, (n - 1) % 10 + 1, 'nul' FROM generate_series(1, 20) n;
INSERT INTO def SELECT n, n FROM generate_series(1, 10) n;
INSERT INTO res VALUES (1, 11);
-- script
DELETE FROM p WHERE id = 2;
SELECT * FROM p ORDER BY id;
SELECT * FROM cas ORDER BY id;
SELECT * FROM grand ORDER BY id;
SELECT * FROM nul ORDER BY id;
SELECT * FROM def ORDER BY id;
INSERT INTO p VALUES (50, 'new');
INSERT INTO cas VALUES (50, 50, 'new'), (51, 3, 'new under old');
INSERT INTO grand VALUES (100, 50), (101, 51);
INSERT INTO nul VALUES (50, 50, 'new');
UPDATE cas SET p_id = 50 WHERE id = 4;
DELETE FROM p WHERE id IN (3, 50) RETURNING *;
SELECT count(*) FROM cas;
SELECT count(*) FROM grand;
SELECT * FROM nul WHERE p_id IS NULL ORDER BY id;
-- expect error 23503 or 23001
DELETE FROM p WHERE id = 11;
DELETE FROM res;
DELETE FROM p WHERE id = 11;
DELETE FROM cas WHERE p_id = 5 RETURNING id;
SELECT count(*) FROM grand;
INSERT INTO p VALUES (2, 'second life');
INSERT INTO cas VALUES (2, 2, 'second life');
SELECT * FROM cas WHERE p_id = 2;
DELETE FROM p WHERE id BETWEEN 6 AND 8;
SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM cas), (SELECT count(*) FROM grand), (SELECT count(*) FROM nul WHERE p_id IS NULL), (SELECT count(*) FROM def WHERE p_id = 1);
BEGIN;
DELETE FROM p WHERE id = 9;
SELECT count(*) FROM cas WHERE p_id = 9;
ROLLBACK;
SELECT count(*) FROM cas WHERE p_id = 9;
