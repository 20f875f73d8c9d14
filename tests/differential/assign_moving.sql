-- setup
-- shows: statements: UPDATE of a primary key together with columns whose values need an assignment cast
CREATE TABLE t (id int PRIMARY KEY, name text, j json, jb jsonb, f float4, n numeric(5,2), c char(5), ts timestamp, d date, arr int[], i2 smallint, v varchar(4), m money, o oid, r regclass, x xml, nm name, q "char");
INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'b');
-- script
-- expect any
UPDATE t SET id = id + 10, name = 5 + 3 RETURNING *;
-- expect any
UPDATE t SET id = id + 10, j = jsonb_build_object('a', 1) RETURNING id;
-- expect any
UPDATE t SET id = id + 10, jb = json_build_object('a', 1) RETURNING *;
-- expect any
UPDATE t SET id = id + 10, f = 1.25::numeric, n = 1.239::float8, c = 12, ts = current_date - current_date + '2020-01-01'::date, d = timestamp '2020-01-01 10:00' RETURNING *;
-- expect any
-- expect any
UPDATE t SET id = id + 10, arr = ARRAY[1.5, 2.5] RETURNING *;
-- expect any
UPDATE t SET id = id + 10, v = 'abcdef' || '' RETURNING *;
-- expect any
UPDATE t SET id = id + 10, v = now()::date RETURNING *;
-- expect any
MERGE INTO t USING (VALUES (31, 5), (900, 6)) s(k, v) ON t.id = s.k WHEN MATCHED THEN UPDATE SET name = s.v, arr = ARRAY[1.5], v = 12, nm = 'x'::text WHEN NOT MATCHED THEN INSERT (id, name, j, ts) VALUES (s.k, s.v, '{"a":1}'::jsonb, date '2020-01-01');
INSERT INTO t (id, name) VALUES (100, 5), (101, 'x'), (102, now()::date);
INSERT INTO t (id, name) VALUES (100, 5), (101, 'x'), (102, '2020-01-01'::date) ON CONFLICT (id) DO UPDATE SET name = 5 + length(excluded.name);
INSERT INTO t (id, name) SELECT 103, 5;
INSERT INTO t (id, name, i2) SELECT '104', 5, 4.5;
INSERT INTO t (id, name, i2) SELECT 104, 5, 4.5 ON CONFLICT DO NOTHING;
INSERT INTO t (id, name, i2) SELECT 105, 5, 4.5 UNION ALL SELECT 106, 7, NULL ON CONFLICT DO NOTHING;
INSERT INTO t (id, name, j) SELECT 107, 5, to_jsonb(5) ON CONFLICT DO NOTHING;
SELECT id, name, j::text, arr, ts, v, i2 FROM t ORDER BY id;
