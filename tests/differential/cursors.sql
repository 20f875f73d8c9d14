-- setup
-- shows: statements: DECLARE, FETCH, MOVE, CLOSE, WITH HOLD, SCROLL
-- differs: table and column number of a column that FETCH describes | 0 where the table is changed | the cursor reads the merge of base and head, not a table
-- differs: DECLARE of a query that calls a volatile function in SQL which reads tables | 0A000 | each FETCH would have to see what was written since the DECLARE
CREATE TABLE read (id int PRIMARY KEY);
CREATE FUNCTION moving() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM read';
CREATE FUNCTION settled() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM read';
CREATE FUNCTION next_of(n bigint) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT n + 1';
CREATE VIEW counted AS SELECT g, moving() AS n FROM generate_series(1, 3) g;
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
-- functions
BEGIN;
DECLARE c CURSOR FOR SELECT g, settled(), next_of(g) FROM generate_series(1, 3) g;
FETCH 1 FROM c;
INSERT INTO read VALUES (1);
FETCH 1 FROM c;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT g, settled(), next_of(g) FROM generate_series(1, 3) g;
FETCH 1 FROM c;
INSERT INTO read VALUES (2);
FETCH 1 FROM c;
COMMIT;
SELECT moving() FROM generate_series(1, 2);
BEGIN;
-- expect refused 0A000
DECLARE c CURSOR FOR SELECT g, moving() FROM generate_series(1, 3) g;
ROLLBACK;
BEGIN;
-- expect refused 0A000
DECLARE c CURSOR FOR SELECT * FROM counted;
ROLLBACK;
