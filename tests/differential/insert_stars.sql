-- setup
-- shows: statements: INSERT of a query with a star, without a column list: with ON CONFLICT, into views and partitions, from temporary tables, CTEs, changes, joins and functions
CREATE TABLE t (id int PRIMARY KEY, code varchar(4) UNIQUE, n numeric(6, 2) DEFAULT 1.5, seen int DEFAULT 0);
CREATE TABLE wide (id int PRIMARY KEY, code text, n numeric, seen bigint);
CREATE TABLE narrow (id int, gone text, code text);
ALTER TABLE narrow DROP COLUMN gone;
CREATE VIEW v AS SELECT code, id FROM t;
CREATE TABLE queue (id int PRIMARY KEY, code text);
CREATE TABLE parts (id int, k int, v text DEFAULT 'none', PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE parts_1 (v text, k int NOT NULL, id int NOT NULL);
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES IN (1);
CREATE TABLE of_parts (v text, k int, id int);
INSERT INTO t VALUES (1, 'a', 1, 1), (2, 'b', 2, 2);
INSERT INTO wide VALUES (1, 'w', 9.999, 9), (3, 'c', 3, 3), (4, 'b', 4, 4);
INSERT INTO narrow VALUES (2, 'y'), (5, 'e');
INSERT INTO queue SELECT i, 'q' || i FROM generate_series(10, 15) i;
INSERT INTO of_parts VALUES ('one', 1, 1), ('two', 1, 2);
-- script
UPDATE wide SET n = n + 0.001 WHERE id = 3;
INSERT INTO t SELECT * FROM wide ON CONFLICT DO NOTHING;
-- expect error 23505
INSERT INTO t SELECT * FROM wide ON CONFLICT (id) DO UPDATE SET code = excluded.code;
INSERT INTO t SELECT * FROM wide WHERE id < 4 ON CONFLICT (id) DO UPDATE SET code = excluded.code, n = excluded.n RETURNING *;
INSERT INTO t TABLE narrow ON CONFLICT (id) DO UPDATE SET code = excluded.code, n = excluded.n RETURNING *;
INSERT INTO t SELECT narrow.*, 7 FROM narrow ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING *;
INSERT INTO t SELECT w.* FROM wide w JOIN narrow USING (id) ON CONFLICT DO NOTHING;
INSERT INTO t SELECT * FROM (SELECT id + 20, code FROM narrow) q (id, code) LEFT JOIN (VALUES (22, 8)) x (id, n) USING (id) ON CONFLICT (code) DO UPDATE SET n = excluded.n RETURNING *;
WITH c AS (SELECT * FROM narrow) INSERT INTO t WITH d AS (SELECT id + 30 AS id, 'd' || id FROM c) SELECT * FROM d ON CONFLICT (id) DO NOTHING;
WITH moved AS (DELETE FROM queue WHERE id < 12 RETURNING *) INSERT INTO t SELECT * FROM moved ON CONFLICT (id) DO NOTHING RETURNING *;
WITH moved AS (UPDATE queue q SET code = 'r' || q.id FROM narrow WHERE q.id = 10 + narrow.id RETURNING q.*) INSERT INTO t SELECT * FROM moved ON CONFLICT (id) DO UPDATE SET code = excluded.code RETURNING *;
INSERT INTO t SELECT * FROM unnest('{40,41}'::int[], ARRAY['f', 'g']) ON CONFLICT (id) DO NOTHING;
INSERT INTO t SELECT * FROM generate_series(41, 42) ON CONFLICT (id) DO UPDATE SET seen = t.seen + 1 RETURNING *;
INSERT INTO t SELECT * FROM jsonb_populate_recordset(NULL::t, '[{"id": 50, "code": "j"}]') ON CONFLICT (id) DO NOTHING RETURNING *;
INSERT INTO t SELECT (json_populate_record(NULL::queue, '{"id": 51}')).* ON CONFLICT (id) DO NOTHING RETURNING *;
INSERT INTO t SELECT * FROM json_to_recordset('[{"id": 52}]') AS j (id int) ON CONFLICT (id) DO NOTHING RETURNING *;
INSERT INTO v SELECT code || '+', id + 60 FROM narrow;
INSERT INTO v SELECT * FROM (SELECT code || '-', id + 70 FROM narrow) q;
-- expect error 42601
INSERT INTO v SELECT * FROM wide;
-- expect error 22001
INSERT INTO t SELECT id + 80, code || 'longer' FROM narrow ON CONFLICT DO NOTHING;
INSERT INTO parts_1 SELECT * FROM of_parts;
INSERT INTO parts_1 SELECT 'again', o.k, o.id FROM of_parts o ON CONFLICT (id, k) DO UPDATE SET v = excluded.v;
CREATE TEMP TABLE staged (id int, gone int, code varchar(4));
ALTER TABLE staged DROP COLUMN gone;
INSERT INTO staged VALUES (2, 's2'), (90, 's90');
INSERT INTO t SELECT * FROM staged ON CONFLICT (id) DO UPDATE SET code = excluded.code, seen = excluded.seen;
ALTER TABLE staged ADD COLUMN n int DEFAULT 5;
INSERT INTO t SELECT * FROM staged ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING *;
SELECT * FROM t ORDER BY id;
SELECT * FROM parts ORDER BY id;
SELECT * FROM queue ORDER BY id;
INSERT INTO narrow VALUES (3, 'c'), (6, 'z');
INSERT INTO t SELECT * FROM wide NATURAL JOIN narrow ON CONFLICT DO NOTHING;
INSERT INTO t SELECT * FROM wide NATURAL JOIN narrow ON CONFLICT (id) DO UPDATE SET code = excluded.code RETURNING *;
INSERT INTO t SELECT * FROM (narrow n (id) NATURAL LEFT JOIN narrow) j ON CONFLICT DO NOTHING RETURNING *;
-- expect refused 0A000
INSERT INTO t SELECT * FROM wide NATURAL JOIN (SELECT id FROM narrow) n ON CONFLICT DO NOTHING;
-- expect refused 0A000
WITH c0 AS (SELECT id FROM wide), c1 AS (SELECT * FROM c0 a JOIN c0 b USING (id)), c2 AS (SELECT * FROM c1 a JOIN c1 b USING (id)), c3 AS (SELECT * FROM c2 a JOIN c2 b USING (id)), c4 AS (SELECT * FROM c3 a JOIN c3 b USING (id)), c5 AS (SELECT * FROM c4 a JOIN c4 b USING (id)), c6 AS (SELECT * FROM c5 a JOIN c5 b USING (id)), c7 AS (SELECT * FROM c6 a JOIN c6 b USING (id)), c8 AS (SELECT * FROM c7 a JOIN c7 b USING (id)), c9 AS (SELECT * FROM c8 a JOIN c8 b USING (id)), c10 AS (SELECT * FROM c9 a JOIN c9 b USING (id)), c11 AS (SELECT * FROM c10 a JOIN c10 b USING (id)), c12 AS (SELECT * FROM c11 a JOIN c11 b USING (id)), c13 AS (SELECT * FROM c12 a JOIN c12 b USING (id)), c14 AS (SELECT * FROM c13 a JOIN c13 b USING (id)), c15 AS (SELECT * FROM c14 a JOIN c14 b USING (id)), c16 AS (SELECT * FROM c15 a JOIN c15 b USING (id)), c17 AS (SELECT * FROM c16 a JOIN c16 b USING (id)), c18 AS (SELECT * FROM c17 a JOIN c17 b USING (id)), c19 AS (SELECT * FROM c18 a JOIN c18 b USING (id)), c20 AS (SELECT * FROM c19 a JOIN c19 b USING (id)), c21 AS (SELECT * FROM c20 a JOIN c20 b USING (id)), c22 AS (SELECT * FROM c21 a JOIN c21 b USING (id)), c23 AS (SELECT * FROM c22 a JOIN c22 b USING (id)), c24 AS (SELECT * FROM c23 a JOIN c23 b USING (id)), c25 AS (SELECT * FROM c24 a JOIN c24 b USING (id)), c26 AS (SELECT * FROM c25 a JOIN c25 b USING (id)), c27 AS (SELECT * FROM c26 a JOIN c26 b USING (id)), c28 AS (SELECT * FROM c27 a JOIN c27 b USING (id)), c29 AS (SELECT * FROM c28 a JOIN c28 b USING (id)), c30 AS (SELECT * FROM c29 a JOIN c29 b USING (id)) INSERT INTO t SELECT * FROM c30 ON CONFLICT DO NOTHING;
-- expect refused 0A000
INSERT INTO t SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM (SELECT a.*, a.* FROM wide a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a) a ON CONFLICT DO NOTHING;
