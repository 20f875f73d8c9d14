-- setup
-- shows: statements: EXPLAIN and EXPLAIN ANALYZE of queries, changes, EXECUTE, DECLARE and CREATE TABLE AS
-- differs: the plan that EXPLAIN shows | of the rewritten statement | it is what runs; EXPLAIN ANALYZE of a change changes the draft
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE);
INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n FROM generate_series(1, 10) n;
-- script
-- values vary
EXPLAIN (FORMAT JSON) SELECT * FROM t;
-- values vary
EXPLAIN (FORMAT JSON) UPDATE t SET v = 'x';
SELECT count(*) FROM t WHERE v = 'x';
-- values vary
EXPLAIN (ANALYZE, FORMAT JSON) UPDATE t SET v = 'x' WHERE id < 3;
SELECT count(*) FROM t WHERE v = 'x';
-- values vary
EXPLAIN (ANALYZE, BUFFERS, VERBOSE, COSTS off, TIMING off, SUMMARY on, FORMAT YAML) INSERT INTO t VALUES (20, 'y') RETURNING id;
-- values vary
EXPLAIN (ANALYZE true, FORMAT XML) WITH x AS (SELECT 4 AS id) DELETE FROM t USING x WHERE t.id = x.id;
-- values vary
EXPLAIN (ANALYZE off, FORMAT JSON) DELETE FROM t;
-- values vary
EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM t JOIN c ON c.t = t.id;
-- values vary
EXPLAIN (ANALYZE, FORMAT JSON) INSERT INTO t VALUES (5, 'five') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
SELECT * FROM t ORDER BY id;
SELECT * FROM c ORDER BY id;
PREPARE p AS UPDATE t SET v = $1 WHERE id = $2;
PREPARE r AS SELECT * FROM t WHERE id = $1;
-- values vary
EXPLAIN (FORMAT JSON) EXECUTE p('prepared', 6);
SELECT v FROM t WHERE id = 6;
-- values vary
EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE p('prepared', 6);
-- values vary
EXPLAIN (FORMAT JSON) EXECUTE r(6);
SELECT v FROM t WHERE id = 6;
-- values vary
EXPLAIN (FORMAT JSON) DECLARE k CURSOR FOR SELECT * FROM t;
-- values vary
EXPLAIN (ANALYZE, FORMAT JSON) CREATE TEMP TABLE made AS SELECT * FROM t;
SELECT count(*) FROM made;
-- expect error 23505
EXPLAIN ANALYZE INSERT INTO t VALUES (6, 'twice');
-- expect error 42703
EXPLAIN UPDATE t SET nothere = 1;
-- expect error 42P01
EXPLAIN DELETE FROM nothere;
BEGIN;
-- values vary
EXPLAIN (ANALYZE, FORMAT JSON) DELETE FROM t;
SELECT count(*) FROM t;
ROLLBACK;
SELECT count(*) FROM t;
