-- setup
-- shows: tables: tables without a primary key: a unique key over NOT NULL columns or REPLICA IDENTITY USING INDEX stands in; without one rows are added, read, copied, truncated and committed
-- differs: UPDATE and DELETE of a table without any key | 0A000 | its rows cannot be told apart
CREATE TABLE events (at int, what text DEFAULT 'x', twice int GENERATED ALWAYS AS (at * 2) STORED);
CREATE TABLE stood (a int NOT NULL, b text, UNIQUE (a));
CREATE TABLE replica (a int NOT NULL, b int NOT NULL, c text);
CREATE UNIQUE INDEX replica_a ON replica (a);
CREATE UNIQUE INDEX replica_b ON replica (b);
ALTER TABLE replica REPLICA IDENTITY USING INDEX replica_b;
CREATE TABLE child (n int REFERENCES stood (a), v json);
CREATE TABLE one_unique (u int UNIQUE, w point);
CREATE TABLE emptied (n int, v json);
CREATE TABLE begun_again (n int REFERENCES stood (a), v text);
INSERT INTO emptied VALUES (1, '1'), (1, '1'), (2, NULL);
INSERT INTO events VALUES (1, 'a'), (1, 'a'), (2, NULL);
INSERT INTO stood VALUES (1, 'one'), (2, 'two');
INSERT INTO replica VALUES (1, 10, 'x'), (2, 20, 'y');
INSERT INTO child VALUES (1, '{"a": 1}');
INSERT INTO one_unique VALUES (1, '(1,2)'), (NULL, NULL);
CREATE TABLE owner (id int PRIMARY KEY);
CREATE TABLE owned (owner int REFERENCES owner ON UPDATE CASCADE ON DELETE SET NULL, what text);
INSERT INTO owner VALUES (1), (2);
INSERT INTO owned VALUES (1, 'base');
-- script
INSERT INTO events VALUES (3, 'c'), (3, 'c') RETURNING *;
INSERT INTO events DEFAULT VALUES;
INSERT INTO events SELECT at, what FROM events WHERE at = 3;
SELECT * FROM events ORDER BY at, what;
SELECT count(*) FROM events;
SELECT what, count(*) FROM events GROUP BY what ORDER BY 1;
SELECT e.at FROM events e JOIN stood s ON s.a = e.at ORDER BY 1;
INSERT INTO events (at) VALUES (5) ON CONFLICT DO NOTHING;
-- expect refused 0A000
UPDATE events SET what = 'z' WHERE at = 3;
-- expect refused 0A000
DELETE FROM events WHERE at = 3;
COPY events (at, what) FROM STDIN;
7	copied
7	copied
\.
COPY events TO STDOUT;
UPDATE stood SET b = 'eins' WHERE a = 1 RETURNING *;
INSERT INTO stood VALUES (3, 'three');
-- expect error 23505
INSERT INTO stood VALUES (2, 'again');
-- expect error 23502
INSERT INTO stood VALUES (NULL, 'again');
DELETE FROM stood WHERE a = 2;
-- expect error 23503
DELETE FROM stood WHERE a = 1;
UPDATE stood SET a = 30 WHERE a = 3;
INSERT INTO stood VALUES (30, 'x') ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING *;
SELECT * FROM stood ORDER BY a;
UPDATE replica SET a = 5, c = 'changed' WHERE a = 1;
UPDATE replica SET b = 21 WHERE a = 2;
-- expect error 23505
INSERT INTO replica VALUES (5, 50, 'z');
-- expect error 23505
INSERT INTO replica VALUES (6, 21, 'z');
SELECT * FROM replica ORDER BY a;
INSERT INTO child VALUES (30, '[1]'), (NULL, NULL);
-- expect error 23503
INSERT INTO child VALUES (2, '[2]');
-- expect error 23503
DELETE FROM stood WHERE a = 30;
SELECT n, v::text FROM child ORDER BY n;
INSERT INTO one_unique VALUES (2, '(3,4)'), (NULL, '(5,6)');
-- expect error 23505
INSERT INTO one_unique VALUES (1, '(3,4)');
-- expect error 23505
INSERT INTO one_unique VALUES (2, '(3,4)');
INSERT INTO one_unique VALUES (2, '(9,9)'), (3, NULL) ON CONFLICT (u) DO NOTHING;
SELECT u, w::text FROM one_unique ORDER BY u, 2;
TRUNCATE emptied;
SELECT count(*) FROM emptied;
INSERT INTO begun_again VALUES (NULL, 'first');
TRUNCATE begun_again, emptied;
INSERT INTO begun_again VALUES (NULL, 'again'), (NULL, 'again');
SELECT * FROM begun_again;
BEGIN;
TRUNCATE events;
INSERT INTO events (at) VALUES (9);
SELECT * FROM events;
ROLLBACK;
SELECT at, what FROM events ORDER BY at, what;
-- the action of a foreign key on a table without a key: on the session's own rows, and on none else
INSERT INTO owner VALUES (3), (4);
INSERT INTO owned VALUES (3, 'own'), (3, 'own'), (NULL, 'x');
UPDATE owner SET id = 30 WHERE id = 3;
UPDATE owner SET id = 20 WHERE id = 2;
SELECT * FROM owned ORDER BY owner, what;
DELETE FROM owner WHERE id = 30;
SELECT * FROM owned ORDER BY owner, what;
-- expect refused 0A000
UPDATE owner SET id = 10 WHERE id = 1;
-- expect refused 0A000
DELETE FROM owner WHERE id = 1;
