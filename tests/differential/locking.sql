-- setup
CREATE TABLE jobs (id int PRIMARY KEY, state text DEFAULT 'new');
INSERT INTO jobs SELECT n FROM generate_series(1, 5) n;
-- script
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
