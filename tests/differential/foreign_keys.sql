-- setup
-- shows: constraints: FOREIGN KEY, MATCH FULL
CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE, v int);
CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p, code text CONSTRAINT c_code_known REFERENCES p (code), v int);
CREATE TABLE cp (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE cc (id int PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES cp);
INSERT INTO p SELECT n, 'code' || n, n FROM generate_series(1, 6) n;
INSERT INTO c VALUES (1, 1, 'code1', 1), (2, 2, NULL, 2), (3, NULL, 'code3', 3);
INSERT INTO cp VALUES (1, 1), (1, 2);
INSERT INTO cc VALUES (1, 1, 1), (2, NULL, 5);
-- script
-- expect error 23503
INSERT INTO c VALUES (10, 99, NULL, 0);
-- expect error 23503
INSERT INTO c VALUES (10, NULL, 'nope', 0);
-- expect error 23503
UPDATE c SET p_id = 77 WHERE id = 1;
-- expect error 23503
DELETE FROM p WHERE id = 1;
-- expect error 23503
UPDATE p SET id = 100 WHERE id = 2;
-- expect error 23503
UPDATE p SET code = 'other' WHERE id = 3;
UPDATE p SET v = v + 1 WHERE id = 1;
INSERT INTO p VALUES (20, 'code20', 0);
INSERT INTO c VALUES (20, 20, 'code20', 0), (21, 20, NULL, 0);
-- expect error 23503
DELETE FROM p WHERE id = 20;
DELETE FROM c WHERE id IN (20, 21);
DELETE FROM p WHERE id = 20;
-- expect error 23503
INSERT INTO c VALUES (22, 20, NULL, 0);
DELETE FROM p WHERE id = 6;
-- expect error 23503
INSERT INTO c VALUES (23, 6, NULL, 0);
INSERT INTO p VALUES (6, 'code6', 60);
INSERT INTO c VALUES (23, 6, 'code6', 0);
UPDATE c SET p_id = 4 WHERE id = 1;
-- expect error 23503
DELETE FROM p WHERE id = 1;
UPDATE c SET code = NULL WHERE id = 1;
DELETE FROM p WHERE id = 1;
-- expect error 23503
DELETE FROM p WHERE id = 4;
UPDATE p SET id = 55, code = 'fiftyfive' WHERE id = 5;
INSERT INTO c VALUES (24, 55, 'fiftyfive', 0);
-- expect error 23503
INSERT INTO c VALUES (25, 5, NULL, 0);
-- expect error 23503
INSERT INTO cc VALUES (3, 2, 1);
INSERT INTO cc VALUES (3, 1, 2), (4, NULL, NULL);
-- expect error 23503
DELETE FROM cp WHERE (a, b) = (1, 2);
INSERT INTO cp VALUES (9, 9);
INSERT INTO cc VALUES (9, 9, 9);
-- expect error 23503
UPDATE cp SET b = 10 WHERE a = 9;
UPDATE cc SET a = 1, b = 1;
DELETE FROM cp WHERE (a, b) <> (1, 1);
SELECT * FROM p ORDER BY id;
SELECT * FROM c ORDER BY id;
SELECT * FROM cp ORDER BY a, b;
SELECT * FROM cc ORDER BY id;
