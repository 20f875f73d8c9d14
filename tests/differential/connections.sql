-- setup
-- shows: sessions: several connections of one session
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT n, n FROM generate_series(1, 5) n;
-- script
UPDATE t SET v = v + 10 WHERE id = 1;
-- connection 2
SELECT * FROM t ORDER BY id;
UPDATE t SET v = v + 10 WHERE id = 1 RETURNING v;
-- connection 1
SELECT * FROM t ORDER BY id;
BEGIN;
INSERT INTO t VALUES (10, 10);
SELECT count(*) FROM t;
-- connection 2
SELECT count(*) FROM t;
-- connection 1
COMMIT;
-- connection 2
SELECT count(*) FROM t;
DELETE FROM t WHERE id = 2;
-- connection 1
SELECT * FROM t ORDER BY id;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM t;
-- connection 2
INSERT INTO t VALUES (20, 20);
-- connection 1
SELECT count(*) FROM t;
COMMIT;
SELECT count(*) FROM t;
-- connection 3
SELECT * FROM t ORDER BY id;
