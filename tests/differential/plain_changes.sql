-- setup
-- shows: constraints: keys and references after changes of other columns
CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE, v int);
CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p, p_code text REFERENCES p (code), v int, EXCLUDE USING btree (v WITH =));
INSERT INTO p SELECT n, 'c' || n, n FROM generate_series(1, 300) n;
INSERT INTO c SELECT n, n, 'c' || n, n FROM generate_series(1, 250) n;
-- script
UPDATE p SET v = v + 1 WHERE id = 1;
-- expect error 23505
UPDATE p SET code = 'c2' WHERE id = 1;
-- expect error 23503
UPDATE p SET code = 'other' WHERE id = 1;
-- expect error 23503
DELETE FROM p WHERE id = 1;
BEGIN;
UPDATE p SET v = v + 1 WHERE id = 2;
SAVEPOINT s;
-- expect error 23505
UPDATE p SET v = 0, code = 'c3' WHERE id = 2;
ROLLBACK TO s;
UPDATE p SET v = v + 1 WHERE id = 2 RETURNING *;
-- expect error 23503
DELETE FROM p WHERE id = 2;
ROLLBACK;
UPDATE p SET v = v + 1;
UPDATE p SET v = v + 1;
SELECT count(*), sum(v) FROM p;
-- expect error 23503
DELETE FROM p WHERE id = 50;
UPDATE p SET code = 'd' || id WHERE id > 290;
-- expect error 23P01
UPDATE c SET v = 4 WHERE id = 3;
-- expect error 23503
UPDATE c SET p_id = 999 WHERE id = 3;
DELETE FROM c WHERE id = 3;
DELETE FROM p WHERE id = 3;
-- expect error 23503
INSERT INTO c VALUES (3, 3, 'c4', 3);
DELETE FROM c WHERE id > 100;
DELETE FROM p WHERE id > 100;
-- expect error 23503
DELETE FROM p WHERE id = 100;
WITH u AS (UPDATE p SET v = 0 WHERE id = 7 RETURNING id) UPDATE c SET v = -1 FROM u WHERE c.id = u.id;
-- expect error 23503
WITH u AS (UPDATE p SET v = 0 WHERE id = 8 RETURNING id) UPDATE c SET p_id = 101 FROM u WHERE c.id = u.id;
UPDATE p SET v = -1 WHERE id = 9;
PREPARE plain(int) AS UPDATE p SET v = v - 1 WHERE id = $1;
PREPARE not_plain(int, text) AS UPDATE p SET code = $2 WHERE id = $1;
EXECUTE plain(10);
-- expect error 23503
EXECUTE not_plain(10, 'x');
DEALLOCATE ALL;
SELECT * FROM p ORDER BY id;
SELECT * FROM c ORDER BY id;
