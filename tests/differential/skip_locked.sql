-- setup
-- shows: statements: SELECT … FOR UPDATE SKIP LOCKED, row by row, between connections of a session
-- shows: statements: SELECT … FOR UPDATE NOWAIT, row by row
-- differs: changes of two connections of one session | in a draft | The second waits for the end of the first's transaction, whatever rows they change: at most `limits.writer_wait_ms`, then 55P03; under REPEATABLE READ and SERIALIZABLE it fails with 40001 once the first has committed. What SKIP LOCKED or NOWAIT holds is held row by row.
CREATE TABLE jobs (id int PRIMARY KEY, kind text, state text DEFAULT 'new');
INSERT INTO jobs SELECT n, CASE n % 3 WHEN 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 12) n;
CREATE TABLE kinds (kind text PRIMARY KEY, weight int);
INSERT INTO kinds VALUES ('a', 2), ('b', 1);
-- script
BEGIN;
SELECT * FROM jobs WHERE state = 'new' ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED;
-- connection 2
BEGIN;
SELECT * FROM jobs WHERE state = 'new' ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED;
SELECT j.id, k.weight FROM jobs j JOIN kinds k USING (kind) ORDER BY k.weight DESC, j.id LIMIT 3 FOR UPDATE OF j SKIP LOCKED;
-- connection 1
UPDATE jobs SET state = 'done' WHERE id IN (1, 2);
-- connection 2
SELECT count(*) FROM (SELECT * FROM jobs FOR UPDATE SKIP LOCKED) s;
-- connection 1
COMMIT;
-- connection 2
SELECT id FROM jobs WHERE id < 3 ORDER BY id FOR UPDATE NOWAIT;
UPDATE jobs SET state = 'done' WHERE id = 3;
SAVEPOINT s;
-- connection 1
BEGIN;
SELECT id FROM jobs WHERE id = 10 FOR UPDATE SKIP LOCKED;
SAVEPOINT s;
-- expect error 55P03
SELECT id FROM jobs WHERE id = 3 FOR UPDATE NOWAIT;
ROLLBACK TO s;
ROLLBACK;
-- connection 2
ROLLBACK TO s;
DELETE FROM jobs WHERE id = (SELECT id FROM jobs WHERE state = 'new' ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *;
WITH next AS (SELECT id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED)
UPDATE jobs j SET state = 'taken' FROM next WHERE j.id = next.id RETURNING j.id, j.state;
COMMIT;
SELECT * FROM jobs ORDER BY id;
