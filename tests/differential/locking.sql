-- setup
CREATE TABLE jobs (id int PRIMARY KEY, state text DEFAULT 'new');
INSERT INTO jobs SELECT n FROM generate_series(1, 5) n;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM jobs;
CREATE SEQUENCE numbers;
-- script
-- expect error 42809
-- batch
SELECT * FROM kept FOR SHARE;
-- end
-- expect error 42809
-- batch
SELECT * FROM jobs JOIN kept USING (id) FOR UPDATE;
-- end
-- expect error 42809
-- batch
SELECT * FROM jobs JOIN (SELECT id FROM kept) k USING (id) FOR NO KEY UPDATE;
-- end
-- expect error 42809
-- batch
SELECT * FROM numbers FOR UPDATE;
-- end
SELECT count(*) FROM (SELECT jobs.* FROM jobs JOIN kept USING (id) FOR UPDATE OF jobs) s;
SELECT count(*) FROM jobs WHERE id IN (SELECT id FROM kept) AND id = (SELECT 1 FROM jobs LIMIT 1 FOR UPDATE);
UPDATE jobs SET state = 'begun' WHERE id = 5;
BEGIN;
SELECT * FROM jobs WHERE id = 1 FOR UPDATE;
-- connection 2
-- batch
SELECT * FROM jobs WHERE id = 1 FOR UPDATE NOWAIT;
-- end
SELECT count(*) FROM jobs;
-- connection 1
UPDATE jobs SET state = 'taken' WHERE id = 1;
COMMIT;
-- connection 2
SELECT * FROM jobs WHERE id = 1 FOR NO KEY UPDATE NOWAIT;
SELECT * FROM jobs WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
