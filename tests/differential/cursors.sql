-- setup
-- shows: statements: DECLARE, FETCH, MOVE, CLOSE, WITH HOLD, SCROLL
-- differs: table and column number of a column that FETCH describes | 0 where the table is changed | the cursor reads the merge of base and head, not a table
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT n, n FROM generate_series(1, 20) n;
-- script
UPDATE t SET v = -v WHERE id % 4 = 0;
BEGIN;
DECLARE c CURSOR FOR SELECT id, v FROM t ORDER BY id;
-- origin differs
FETCH 3 FROM c;
-- origin differs
FETCH FORWARD 2 FROM c;
MOVE 5 IN c;
-- origin differs
FETCH NEXT FROM c;
CLOSE c;
COMMIT;
SELECT sum(v) FROM t;
