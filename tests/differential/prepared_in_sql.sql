-- setup
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT n, n FROM generate_series(1, 5) n;
-- script
PREPARE get (int) AS SELECT * FROM t WHERE id = $1;
EXECUTE get(1);
UPDATE t SET v = 100 WHERE id = 1;
DEALLOCATE get;
-- expect error 26000
EXECUTE get(1);
DEALLOCATE ALL;
SELECT * FROM t ORDER BY id;
