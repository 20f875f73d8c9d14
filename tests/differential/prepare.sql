-- setup
-- shows: statements: PREPARE, EXECUTE, DEALLOCATE
CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(8,2) DEFAULT 1.5);
CREATE TABLE quiet (id int PRIMARY KEY, v text);
INSERT INTO t (id, v) SELECT n, 'v' || n FROM generate_series(1, 10) n;
INSERT INTO quiet SELECT n, 'q' || n FROM generate_series(1, 10) n;
-- script
PREPARE r AS SELECT id, v, n FROM t WHERE id <= $1 ORDER BY id;
PREPARE q (int) AS SELECT q.v, t.v FROM quiet q JOIN t USING (id) WHERE q.id = $1;
PREPARE upd (text, int) AS UPDATE t SET v = $1 WHERE id = $2 RETURNING id, v;
PREPARE ins AS INSERT INTO t (id, v) VALUES ($1, $2);
PREPARE del AS DELETE FROM t WHERE id = $1;
EXECUTE r(3);
EXECUTE q(2);
EXECUTE upd('changed', 2);
EXECUTE r(1 + 2);
EXECUTE q(2);
EXECUTE ins(20, 'new');
EXECUTE ins(21, NULL);
EXECUTE del(1);
EXECUTE del(1);
EXECUTE r('100');
-- expect error 23505
EXECUTE ins(20, 'twice');
-- expect error 42601
EXECUTE r;
-- expect error 42601
EXECUTE r(1, 2);
-- expect error 42804
EXECUTE q(true);
-- expect error 26000
EXECUTE nothere(1);
-- expect error 42P05
PREPARE r AS SELECT 1;
-- expect error 42P01
PREPARE bad AS SELECT * FROM nothere;
-- expect error 42703
PREPARE bad AS UPDATE t SET nothere = 1;
BEGIN;
PREPARE inner_one AS SELECT count(*), sum(n) FROM t;
EXECUTE inner_one;
EXECUTE upd('in', 3);
SAVEPOINT s;
EXECUTE del(3);
EXECUTE inner_one;
ROLLBACK TO s;
EXECUTE inner_one;
EXECUTE r(3);
ROLLBACK;
EXECUTE inner_one;
EXECUTE r(3);
-- batch
PREPARE b1 AS SELECT v FROM t WHERE id = $1; EXECUTE b1(2); EXECUTE upd('batch', 2); EXECUTE b1(2); DEALLOCATE b1; SELECT 1;
-- end
-- expect error 26000
EXECUTE b1(2);
DEALLOCATE r;
-- expect error 26000
EXECUTE r(3);
-- expect error 26000
DEALLOCATE r;
PREPARE r AS VALUES ((SELECT count(*) FROM t), 'text');
EXECUTE r;
PREPARE w AS WITH x AS (SELECT * FROM t WHERE id < $1) SELECT x.* FROM x ORDER BY id;
EXECUTE w(5);
PREPARE oc AS INSERT INTO t (id, v) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = excluded.v || t.v RETURNING *;
EXECUTE oc(5, 'five');
EXECUTE oc(55, 'fiftyfive');
EXECUTE w(100);
PREPARE "As" AS SELECT v AS "as" FROM t WHERE id = 2;
EXECUTE "As";
-- expect refused 42602
PREPARE pgdraft_token AS SELECT 1;
-- expect refused 42602
EXECUTE pgdraft_token('a', 'b', 'c');
-- expect refused 0A000
PREPARE c AS SELECT pg_read_file('x');
DEALLOCATE PREPARE ALL;
-- expect error 26000
EXECUTE w(1);
PREPARE w AS UPDATE t SET id = id + 1000 WHERE id = $1;
EXECUTE w(7);
EXECUTE w(8);
TRUNCATE quiet;
PREPARE z AS SELECT * FROM quiet;
EXECUTE z;
DISCARD ALL;
-- expect error 26000
EXECUTE z;
SELECT * FROM t ORDER BY id;
