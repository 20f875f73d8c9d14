-- setup
-- shows: types: domains over types with a length, in arrays, in row types and over arrays: what is too long is 22001 or 22026
CREATE DOMAIN v3 AS varchar(3);
CREATE DOMAIN c3 AS char(3);
CREATE DOMAIN b3 AS bit(3);
CREATE DOMAIN n31 AS numeric(3,1);
CREATE DOMAIN v3v3 AS v3 CHECK (VALUE <> 'bad');
CREATE DOMAIN v3a AS v3[];
CREATE DOMAIN va AS varchar(3)[];
CREATE TYPE cf AS (x v3, y n31, z varchar(3), w v3[]);
CREATE DOMAIN dcf AS cf;
CREATE TABLE t (id int PRIMARY KEY, a v3[], b c3[], c b3[], n n31[], d v3v3[], e v3a, f va, g cf, h dcf, i cf[], j dcf[], k v3v3);
INSERT INTO t VALUES (1, '{abc}', '{abc}', '{101}', '{1.5}', '{abc}', '{abc}', '{abc}', ROW('abc', 1.5, 'abc', '{abc}'), ROW('abc', 1.5, 'abc', '{abc}'), '{}', '{}', 'abc');
CREATE TABLE s (id int PRIMARY KEY, x text);
INSERT INTO s VALUES (1, 'abcdef'), (2, 'ab    '), (3, 'zz');
-- script
-- expect any
UPDATE t SET a[1] = 'abcdef' WHERE id = 1;
-- expect any
UPDATE t SET a[1] = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET a[1] = (SELECT x FROM s WHERE id = 2) WHERE id = 1;
-- expect any
UPDATE t SET a[1:2] = ARRAY['abcdef', 'x'] WHERE id = 1;
-- expect any
UPDATE t SET a = ARRAY['abcdef', 'x'] WHERE id = 1;
-- expect any
UPDATE t SET a = ARRAY['abc   ', 'x'] WHERE id = 1;
-- expect any
UPDATE t SET b[1] = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET b = ARRAY[(SELECT x FROM s WHERE id = 1)] WHERE id = 1;
-- expect any
UPDATE t SET c[1] = B'1011' WHERE id = 1;
-- expect any
UPDATE t SET c[1] = B'10' WHERE id = 1;
-- expect any
UPDATE t SET c = ARRAY[B'1011'] WHERE id = 1;
-- expect any
UPDATE t SET n[1] = 1.55 WHERE id = 1;
-- expect any
UPDATE t SET n[1] = 1555.55 WHERE id = 1;
-- expect any
UPDATE t SET n = ARRAY[1.5555] WHERE id = 1;
-- expect any
UPDATE t SET d[1] = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET d[1] = 'bad' WHERE id = 1;
-- expect any
UPDATE t SET d[1] = 'bad' || '' WHERE id = 1;
-- expect any
UPDATE t SET e[1] = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET e[1:1] = ARRAY['abcdef'] WHERE id = 1;
-- expect any
UPDATE t SET e = ARRAY['abcdef'] WHERE id = 1;
-- expect any
UPDATE t SET f[1] = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET f = ARRAY['abcdef'] WHERE id = 1;
-- expect any
UPDATE t SET g.x = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET g.y = 1.555 WHERE id = 1;
-- expect any
UPDATE t SET g.w = ARRAY['abcdef'] WHERE id = 1;
-- expect any
UPDATE t SET g.w[1] = 'abc' || 'def' WHERE id = 1;
-- expect any
UPDATE t SET h.x = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET h.w[2] = (SELECT x FROM s WHERE id = 1) WHERE id = 1;
-- expect any
UPDATE t SET h = ROW('abc' || 'def', 1, 'x', NULL) WHERE id = 1;
-- expect any
UPDATE t SET h = ROW('abc', 1, 'x', ARRAY['abcdef']) WHERE id = 1;
-- expect any
UPDATE t SET i[1].x = 'abc' || 'def' WHERE id = 1;
-- expect any
UPDATE t SET i[1].x = 'abc' WHERE id = 1 RETURNING i;
-- expect any
UPDATE t SET j[1].x = 'abc' || 'def' WHERE id = 1 RETURNING j;
-- expect any
UPDATE t SET j[1].x = 'abc' WHERE id = 1 RETURNING j;
-- expect any
UPDATE t SET j[1] = ROW('abcdef', 1, NULL, NULL) WHERE id = 1 RETURNING j;
-- expect any
UPDATE t SET i[1] = ROW('abc'||'def', 1, NULL, NULL) WHERE id = 1 RETURNING j;
-- expect any
UPDATE t SET k = 'abc' || 'def' WHERE id = 1;
-- expect any
INSERT INTO t (id, a) VALUES (2, ARRAY['abcdef']) ON CONFLICT (id) DO NOTHING;
-- expect any
INSERT INTO t (id, a) VALUES (2, ARRAY['abc  ']) ON CONFLICT (id) DO NOTHING RETURNING a;
-- expect any
INSERT INTO t (id, e) VALUES (3, ARRAY['abcdef']) ON CONFLICT (id) DO NOTHING;
-- expect any
INSERT INTO t (id, f) VALUES (3, ARRAY['abcdef']) ON CONFLICT (id) DO NOTHING;
-- expect any
INSERT INTO t (id, k) VALUES (3, 'abc' || 'def') ON CONFLICT (id) DO NOTHING;
-- expect any
INSERT INTO t (id, c) VALUES (3, ARRAY[B'1011']) ON CONFLICT (id) DO NOTHING;
-- expect any
INSERT INTO t (id, g.x) SELECT 4, x FROM s WHERE id = 1 ON CONFLICT (id) DO NOTHING;
-- expect any
INSERT INTO t (id, a[1]) SELECT 4, x FROM s WHERE id = 1 ON CONFLICT (id) DO NOTHING;
-- expect any
INSERT INTO t (id, a[1]) SELECT 4, x FROM s WHERE id = 1;
-- expect any
INSERT INTO t (id, a) VALUES (1, '{abc}') ON CONFLICT (id) DO UPDATE SET a = ARRAY['abcdef'];
-- expect any
INSERT INTO t (id, a) VALUES (1, '{abc}') ON CONFLICT (id) DO UPDATE SET a[2] = 'abc' || 'def';
-- expect any
MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN UPDATE SET a = ARRAY[s.x];
-- expect any
MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN UPDATE SET e = ARRAY[s.x];
-- expect any
MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN UPDATE SET f = ARRAY[s.x];
-- expect any
MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN UPDATE SET k = s.x;
-- expect any
MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN UPDATE SET c = ARRAY[B'1011'];
-- expect any
MERGE INTO t USING s ON s.id = t.id WHEN MATCHED THEN UPDATE SET h = ROW(s.x, 1, 'x', NULL);
-- expect any
MERGE INTO t USING (SELECT 9 AS id, 'abcdef'::text AS x) s ON s.id = t.id WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, ARRAY[s.x]);
-- expect any
UPDATE t SET id = id + 10, a = ARRAY['abcdef'];
-- expect any
UPDATE t SET id = id + 10, a = ARRAY['abc', 'x'] RETURNING *;
-- expect any
UPDATE t SET id = id + 10, k = 5;
-- expect any
UPDATE t SET id = id + 10, n = ARRAY[1,2] RETURNING n;
SELECT * FROM t ORDER BY id;
