-- setup
-- shows: statements: system columns of the target (`ctid`, `xmin`, `tableoid`) in WHERE, SET, ON and RETURNING of every change
-- needs: PostgreSQL 15
-- shows: tables: `tableoid` of a changed row of a partitioned table
CREATE TABLE job (id int PRIMARY KEY, state text DEFAULT 'todo', part int);
CREATE TABLE pair (id int PRIMARY KEY, v text);
CREATE TABLE event (id int, at date, v text, PRIMARY KEY (id, at, v)) PARTITION BY RANGE (at);
CREATE TABLE event_old PARTITION OF event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (v);
CREATE TABLE event_old_a PARTITION OF event_old FOR VALUES IN ('a');
CREATE TABLE event_old_rest PARTITION OF event_old DEFAULT;
CREATE TABLE event_rest PARTITION OF event DEFAULT;
INSERT INTO job SELECT g, 'todo', g % 3 FROM generate_series(1, 12) g;
INSERT INTO pair VALUES (1, 'x'), (2, 'x'), (3, 'y'), (4, 'x');
INSERT INTO event VALUES (1, '2020-02-02', 'a'), (2, '2020-02-02', 'b'), (3, '2022-02-02', 'a');
-- script
DELETE FROM job WHERE ctid IN (SELECT ctid FROM job ORDER BY id LIMIT 2);
UPDATE job SET state = 'busy' WHERE ctid = (SELECT ctid FROM job WHERE state = 'todo' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id;
UPDATE job SET state = 'busy' WHERE ctid = (SELECT ctid FROM job WHERE state = 'todo' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id;
UPDATE job j SET state = 'done' WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM job WHERE state = 'busy')) AND j.xmin IS NOT NULL;
SELECT * FROM job ORDER BY id;
DELETE FROM pair a USING pair b WHERE a.v = b.v AND a.ctid < b.ctid AND a.ctid <> b.ctid;
SELECT count(*) FROM pair;
DELETE FROM pair a WHERE EXISTS (SELECT FROM pair b WHERE b.v = a.v AND b.ctid <> a.ctid);
UPDATE job SET state = tableoid::regclass::text WHERE id = 5 RETURNING tableoid::regclass::text, *;
UPDATE job SET state = 's' WHERE job.tableoid = 'job'::regclass AND id = 6 RETURNING id, job.tableoid = 'job'::regclass AS same, ctid IS NULL, xmin IS NULL;
UPDATE job SET id = 106 WHERE id = 6 RETURNING tableoid::regclass::text, id, ctid IS NOT NULL;
UPDATE job SET state = p.v FROM pair p WHERE p.id = job.id AND job.ctid IS NOT NULL RETURNING job.tableoid::regclass::text, p.tableoid::regclass::text, job.id;
DELETE FROM job WHERE id = 7 RETURNING tableoid::regclass::text, id;
INSERT INTO job VALUES (20, 'new') RETURNING tableoid::regclass::text, *, xmin IS NOT NULL AS x;
INSERT INTO job VALUES (20, 'again') ON CONFLICT (id) DO UPDATE SET state = excluded.state WHERE job.ctid IS NOT NULL RETURNING tableoid::regclass::text, state;
INSERT INTO job VALUES (20), (21) ON CONFLICT DO NOTHING RETURNING tableoid::regclass::text, id;
MERGE INTO job j USING (VALUES (20), (30)) s(i) ON j.id = s.i AND j.tableoid = 'job'::regclass WHEN MATCHED THEN UPDATE SET state = 'merged' WHEN NOT MATCHED THEN INSERT VALUES (s.i, 'merged');
-- expect error 42P10
MERGE INTO job j USING (VALUES (20)) s(i) ON j.id = s.i WHEN MATCHED AND j.xmin IS NOT NULL THEN DELETE;
SELECT id, state FROM job WHERE id >= 20 ORDER BY id;
WITH gone AS (DELETE FROM job WHERE ctid IN (SELECT ctid FROM job WHERE id > 20) RETURNING tableoid::regclass::text AS t, id) SELECT * FROM gone ORDER BY id;
UPDATE event SET v = 'c' WHERE id = 1 RETURNING tableoid::regclass::text, *;
UPDATE event SET at = '2023-03-03' WHERE id = 2 RETURNING id, tableoid::regclass::text;
INSERT INTO event VALUES (4, '2020-07-07', 'a'), (5, '2030-01-01', 'a') RETURNING tableoid::regclass::text, id;
SELECT tableoid::regclass::text, id FROM event ORDER BY id;
UPDATE event_old SET v = 'd' WHERE id = 4 RETURNING tableoid::regclass::text, v;
DELETE FROM event WHERE tableoid = 'event_rest'::regclass RETURNING tableoid::regclass::text, id;
SELECT tableoid::regclass::text, count(*) FROM event GROUP BY 1 ORDER BY 1;
SELECT id FROM ONLY (job) WHERE id < 5 ORDER BY 1;
SELECT j.id FROM ONLY (job) AS j WHERE j.id < 5 ORDER BY 1;
-- expect error 42703
UPDATE pair SET nothing = ctid;
-- expect error 0A000
UPDATE pair SET ctid = '(0,1)';
-- expect error 42703
INSERT INTO pair (id, xmin) VALUES (9, 1);
-- expect error 42703
UPDATE pair SET v = 'q' WHERE oid = 1;
