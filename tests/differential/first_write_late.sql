-- setup
-- shows: statements: a table's first change under REPEATABLE READ or SERIALIZABLE
-- What is drafted for the first time after a transaction's snapshot was taken.
CREATE TABLE s (id int PRIMARY KEY);
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE u (id int PRIMARY KEY, v text);
CREATE TABLE w (id int PRIMARY KEY, v text);
INSERT INTO t SELECT n, 't' || n FROM generate_series(1, 5) n;
INSERT INTO u SELECT n, 'u' || n FROM generate_series(1, 5) n;
INSERT INTO w SELECT n, 'w' || n FROM generate_series(1, 5) n;
-- script
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM s;
INSERT INTO t VALUES (10, 'late');
UPDATE t SET v = 'changed' WHERE id = 2;
SELECT * FROM t ORDER BY id;
COMMIT;
SELECT * FROM t ORDER BY id;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM s;
DELETE FROM u WHERE id < 3;
SELECT * FROM u ORDER BY id;
TRUNCATE w;
SELECT * FROM w;
INSERT INTO w VALUES (1, 'again');
COMMIT;
SELECT * FROM u ORDER BY id;
SELECT * FROM w ORDER BY id;
