-- setup
CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE cas (id int PRIMARY KEY, p_id int REFERENCES p ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE code (id int PRIMARY KEY, p_code text REFERENCES p (code) ON UPDATE SET NULL);
CREATE TABLE grand (cas_id int REFERENCES cas ON UPDATE CASCADE, n int, PRIMARY KEY (cas_id, n));
INSERT INTO p SELECT n, 'c' || n FROM generate_series(1, 6) n;
INSERT INTO cas SELECT n, 1 + n % 6 FROM generate_series(1, 12) n;
INSERT INTO code SELECT n, 'c' || n FROM generate_series(1, 6) n;
INSERT INTO grand SELECT 1 + n % 12, n FROM generate_series(1, 24) n;
-- script
UPDATE p SET id = 100 WHERE id = 2;
SELECT * FROM cas ORDER BY id;
UPDATE p SET code = 'changed' WHERE id = 3;
SELECT * FROM code ORDER BY id;
UPDATE cas SET id = id + 1000 WHERE p_id = 100 RETURNING *;
SELECT * FROM grand ORDER BY n;
INSERT INTO p VALUES (2, 'second');
INSERT INTO cas VALUES (50, 2);
UPDATE p SET id = 200, code = 'both' WHERE id = 2;
SELECT * FROM cas WHERE p_id = 200;
UPDATE p SET id = 4, code = 'same' WHERE id = 4;
DELETE FROM grand WHERE cas_id > 1000;
DELETE FROM cas WHERE id > 1000;
-- expect error 23503
DELETE FROM p WHERE id = 100;
DELETE FROM code WHERE p_code = 'c2';
DELETE FROM p WHERE id = 100;
SELECT * FROM p ORDER BY id;
SELECT * FROM cas ORDER BY id;
SELECT * FROM code ORDER BY id;
SELECT * FROM grand ORDER BY cas_id, n;
