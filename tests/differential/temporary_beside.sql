-- setup
-- shows: statements: changes of temporary and of other tables in one statement
CREATE TABLE jobs (id int PRIMARY KEY, state text DEFAULT 'new', n int CHECK (n < 100));
CREATE TABLE log (id serial PRIMARY KEY, job int REFERENCES jobs, what text);
CREATE TABLE parts (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO jobs SELECT n, 'new', n FROM generate_series(1, 10) n;
INSERT INTO parts SELECT n, n, 'p' || n FROM generate_series(1, 6) n;
-- script
-- origins differ
CREATE TEMP TABLE inbox (id int PRIMARY KEY, state text, n int);
CREATE TEMP TABLE taken (id int, state text);
INSERT INTO inbox VALUES (11, 'posted', 11), (12, 'posted', 12), (3, 'posted', 33), (99, 'left', 990);
WITH moved AS (DELETE FROM inbox WHERE id = 11 RETURNING *) INSERT INTO jobs SELECT * FROM moved;
WITH moved AS (DELETE FROM inbox WHERE id = 12 RETURNING id, n, state) INSERT INTO jobs (id, n, state) SELECT * FROM moved RETURNING *;
WITH moved AS (DELETE FROM jobs WHERE id IN (5, 6) RETURNING id, state) INSERT INTO taken SELECT * FROM moved;
WITH moved AS (DELETE FROM jobs WHERE id = 7 RETURNING *), kept AS (INSERT INTO taken SELECT id, 'kept' FROM moved RETURNING *) SELECT m.n, k.* FROM moved m JOIN kept k USING (id);
WITH m AS (DELETE FROM inbox WHERE id = 3 RETURNING *) UPDATE jobs j SET n = m.n, state = m.state FROM m WHERE m.id = j.id RETURNING j.*, m.id;
WITH j AS (UPDATE jobs SET state = 'done' WHERE id < 3 RETURNING id), l AS (INSERT INTO log (job, what) SELECT id, 'done' FROM j RETURNING id, job) UPDATE taken SET state = 'with log' || (SELECT count(*) FROM l) WHERE id = 5 RETURNING *;
WITH j AS (UPDATE jobs SET state = 'later' WHERE id = 4 RETURNING *) DELETE FROM taken USING j WHERE taken.id > j.id AND taken.id < 6 RETURNING taken.*, j.state;
WITH j AS (UPDATE jobs SET n = n + 1 WHERE id IN (1, 2) RETURNING *) INSERT INTO inbox SELECT id, state, n FROM j ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING *;
SELECT * FROM jobs ORDER BY id;
SELECT * FROM inbox ORDER BY id;
SELECT * FROM taken ORDER BY id;
SELECT * FROM log ORDER BY id;
-- all parts see what was before
WITH a AS (INSERT INTO taken VALUES (1, 'x'), (2, 'y') RETURNING *), b AS (UPDATE jobs SET state = state || (SELECT count(*) FROM taken) WHERE id = 8 RETURNING state) SELECT (SELECT count(*) FROM taken), (SELECT state FROM b), (SELECT state FROM jobs WHERE id = 8);
-- errors take both back
-- expect error 23514
WITH moved AS (DELETE FROM inbox WHERE id = 99 RETURNING *) INSERT INTO jobs SELECT * FROM moved;
-- expect error 23505
WITH moved AS (DELETE FROM taken RETURNING *) INSERT INTO jobs (id) SELECT 1 FROM moved;
-- expect error 23505
-- error class
WITH gone AS (DELETE FROM jobs WHERE id > 8 RETURNING id) INSERT INTO inbox SELECT 99 FROM gone;
-- expect error 42703
WITH gone AS (DELETE FROM jobs RETURNING id) INSERT INTO inbox (nothing) SELECT id FROM gone;
SELECT count(*) FROM jobs;
SELECT * FROM inbox ORDER BY id;
-- a temporary table of the same name
CREATE TEMP TABLE log (LIKE public.log);
WITH a AS (INSERT INTO log VALUES (1, 1, 'mine') RETURNING *) INSERT INTO public.log (job, what) SELECT job, what || '!' FROM a RETURNING *;
WITH a AS (DELETE FROM public.log RETURNING *) INSERT INTO pg_temp.log SELECT id + 100, job, what FROM a;
SELECT * FROM log ORDER BY 1, 3;
SELECT * FROM public.log ORDER BY 1, 3;
DROP TABLE log;
-- partitions, under parameters, EXPLAIN
WITH a AS (DELETE FROM parts WHERE k < 3 RETURNING *) INSERT INTO taken SELECT id, v FROM a;
WITH a AS (DELETE FROM taken WHERE state LIKE 'p%' RETURNING *) INSERT INTO parts SELECT id, id + 9, state FROM a RETURNING *, tableoid::regclass;
-- params: 5, 'by parameter'
WITH a AS (UPDATE parts SET v = $2 WHERE id = $1 RETURNING *) INSERT INTO taken SELECT id, v FROM a RETURNING *;
-- params: 70
WITH a AS (DELETE FROM taken WHERE state = 'by parameter' RETURNING *) INSERT INTO jobs SELECT id + $1, state FROM a;
PREPARE p(int) AS WITH a AS (UPDATE jobs SET n = n + 1 WHERE id = $1 RETURNING *) INSERT INTO taken SELECT id, n::text FROM a RETURNING *;
EXECUTE p(1);
EXECUTE p(2);
BEGIN;
WITH a AS (DELETE FROM jobs WHERE id = 75 RETURNING *) INSERT INTO taken SELECT id, state FROM a;
SELECT count(*) FROM taken;
ROLLBACK;
SELECT count(*) FROM taken;
WITH a AS (DELETE FROM jobs WHERE id = 75 RETURNING *) INSERT INTO taken SELECT id, state FROM a;
-- expect refused 0A000
TRUNCATE taken, jobs;
SELECT * FROM jobs ORDER BY id;
SELECT * FROM taken ORDER BY id, state;
SELECT * FROM parts ORDER BY id, k;
