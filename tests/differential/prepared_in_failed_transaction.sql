-- setup
-- shows: protocol: prepared statements in a failed transaction
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT n, n FROM generate_series(1, 5) n;
-- script
SELECT count(*), sum(v) FROM t;
-- The table becomes dirty after the statement was prepared, and the transaction has failed before
-- it is run again.
BEGIN;
UPDATE t SET v = v + 1;
-- expect error 22012
SELECT 1 / 0;
-- expect error 25P02
SELECT count(*), sum(v) FROM t;
-- expect error 25P02
UPDATE t SET v = v + 1;
ROLLBACK;
SELECT count(*), sum(v) FROM t;
UPDATE t SET v = v + 1;
BEGIN;
-- expect error 42703
SELECT nope FROM t;
-- expect error 25P02
SELECT count(*), sum(v) FROM t;
COMMIT;
SELECT count(*), sum(v) FROM t;
