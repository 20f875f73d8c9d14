-- setup
-- shows: statements: CREATE TEMPORARY TABLE, CREATE TABLE AS, SELECT INTO and everything done to temporary tables
CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 7);
CREATE TABLE u (id int PRIMARY KEY, v text);
INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 10) n;
INSERT INTO u SELECT n, 'u' || n FROM generate_series(1, 10) n;
-- script
-- origins differ
UPDATE t SET v = 'changed' WHERE id = 1;
CREATE TEMP TABLE a AS SELECT * FROM t WHERE id < 4;
SELECT * FROM a ORDER BY id;
CREATE TEMPORARY TABLE IF NOT EXISTS a AS SELECT 1;
CREATE TEMP TABLE b (x, y) AS SELECT id, v FROM t WITH NO DATA;
SELECT * FROM b;
INSERT INTO b SELECT id, v FROM t WHERE id > 8;
INSERT INTO b VALUES (100, 'mine') RETURNING *;
UPDATE b SET y = y || '!' WHERE x = 9 RETURNING x, y;
UPDATE b SET y = t.v FROM t WHERE t.id = b.x - 99 RETURNING b.*;
DELETE FROM b USING t WHERE t.id = b.x AND t.id = 9 RETURNING b.x;
SELECT * FROM b ORDER BY x;
SELECT id, v INTO TEMP d FROM t WHERE id IN (1, 2);
SELECT * FROM d ORDER BY id;
CREATE TEMP TABLE e (id serial PRIMARY KEY, v text UNIQUE DEFAULT upper('x'), CHECK (length(v) < 10));
INSERT INTO e (v) SELECT v FROM t WHERE id < 4;
-- expect error 23505
-- error class
INSERT INTO e (v) VALUES ('changed');
-- expect error 23514
-- error class
INSERT INTO e (v) VALUES ('much too long');
INSERT INTO e (v) VALUES ('v2') ON CONFLICT (v) DO UPDATE SET v = excluded.v || '+' RETURNING v;
CREATE INDEX ei ON e (lower(v));
ALTER TABLE e ADD COLUMN w int DEFAULT 3;
ALTER TABLE e ALTER COLUMN w TYPE bigint USING w * 2;
ALTER TABLE e RENAME COLUMN w TO ww;
SELECT v, ww FROM e ORDER BY v;
ANALYZE e;
TRUNCATE e;
SELECT count(*) FROM e;
DROP INDEX ei;
COPY e (v) FROM STDIN;
one
two
\.
COPY e (v) TO STDOUT;
COPY (SELECT e.v, t.v FROM e, t WHERE t.id = 1 ORDER BY 1) TO STDOUT;
DROP TABLE e;
-- expect error 42P01
SELECT * FROM e;
-- a table of the same name
CREATE TEMP TABLE u (id int, v text);
INSERT INTO u VALUES (1, 'temporary');
SELECT * FROM u;
UPDATE u SET v = 'still';
SELECT * FROM u;
UPDATE t SET v = u.v FROM u WHERE u.id = t.id;
SELECT * FROM t WHERE id = 1;
UPDATE public.u SET v = 'base' WHERE id = 1;
SELECT * FROM public.u ORDER BY id;
SELECT * FROM pg_temp.u;
DROP TABLE u;
SELECT * FROM u ORDER BY id;
UPDATE u SET v = 'again' WHERE id = 2;
SELECT * FROM u ORDER BY id;
-- transactions
BEGIN;
CREATE TEMP TABLE k (id int) ON COMMIT DROP;
CREATE TEMP TABLE l (id int) ON COMMIT DELETE ROWS;
INSERT INTO k SELECT id FROM t;
INSERT INTO l SELECT id FROM t;
SAVEPOINT s;
CREATE TEMP TABLE t (id int);
SELECT count(*) FROM t;
INSERT INTO t VALUES (4711);
ROLLBACK TO s;
SELECT count(*) FROM t;
UPDATE t SET n = n + 1 WHERE id IN (SELECT id FROM k WHERE id < 3);
SELECT count(*) FROM k, l WHERE k.id = l.id;
COMMIT;
-- expect error 42P01
SELECT * FROM k;
SELECT * FROM l;
BEGIN;
CREATE TEMP TABLE t (z text);
INSERT INTO t VALUES ('z');
TABLE t;
ROLLBACK;
SELECT * FROM t ORDER BY id;
-- changes under WITH
CREATE TEMP TABLE one (id int, v text);
CREATE TEMP TABLE two (id int, v text);
INSERT INTO one SELECT id, 'from t' FROM t;
WITH gone AS (DELETE FROM one WHERE id = 1 RETURNING *) INSERT INTO two SELECT * FROM gone RETURNING *;
WITH gone AS (DELETE FROM one RETURNING *) SELECT g.id, g.v FROM gone g JOIN t USING (id) ORDER BY 1;
WITH a AS (INSERT INTO one VALUES (7, 'x') RETURNING *), b AS (INSERT INTO two SELECT id, v FROM a RETURNING *) SELECT * FROM a, b;
WITH a AS (UPDATE one SET v = upper(v) RETURNING *), o AS (SELECT * FROM t) SELECT a.*, (SELECT count(*) FROM o) FROM a;
WITH RECURSIVE n (i) AS (SELECT 20 UNION ALL SELECT i + 1 FROM n WHERE i < 22), made AS (INSERT INTO two SELECT i, 'r' FROM n RETURNING id) SELECT count(*) FROM made;
WITH a AS (INSERT INTO two VALUES (1, 'again') RETURNING *) UPDATE one SET v = a.v FROM a RETURNING one.*;
SELECT * FROM one ORDER BY id;
SELECT * FROM two ORDER BY id, v;
-- batch
CREATE TEMP TABLE m AS SELECT id FROM t WHERE id < 3; INSERT INTO m VALUES (50); SELECT * FROM m ORDER BY 1; DROP TABLE m;
-- end
CREATE TEMP TABLE m AS VALUES (1), (2);
DROP TABLE IF EXISTS m, nothere;
CREATE TEMP TABLE m AS VALUES (1), (2);
-- expect error 3F000
DROP TABLE nowhere.o, m;
-- expect error 42P01
DROP TABLE m, public.nothere;
DROP TABLE IF EXISTS nowhere.o, m, public.nothere;
-- expect error 42P01
SELECT * FROM m;
PREPARE p AS SELECT id, v FROM t WHERE id = $1;
CREATE TEMP TABLE x AS EXECUTE p(1);
SELECT * FROM x;
UPDATE t SET v = 'later' WHERE id = 1;
CREATE TEMP TABLE y AS EXECUTE p(1);
SELECT * FROM y;
CREATE TEMP TABLE lk (LIKE t INCLUDING ALL);
INSERT INTO lk (id) VALUES (1) RETURNING *;
CREATE TEMP SEQUENCE sq START 5;
SELECT nextval('sq');
DROP SEQUENCE sq;
-- expect refused 0A000
DROP TABLE t;
-- expect refused 0A000
ALTER TABLE t ADD COLUMN z int;
-- expect refused 0A000
CREATE INDEX ON t (v);
-- expect refused 0A000
CREATE TEMP VIEW vw AS SELECT * FROM t;
-- expect refused 0A000
CREATE TABLE real AS SELECT * FROM t;
-- expect refused 0A000
CREATE TEMP TABLE bad (id int DEFAULT setval('sq', 1));
-- expect refused 0A000
TRUNCATE x, t;
-- expect refused 0A000
ANALYZE t;
DISCARD TEMP;
-- expect error 42P01
SELECT * FROM a;
SELECT * FROM t ORDER BY id;
