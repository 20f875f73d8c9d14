-- setup
-- shows: statements: assignment to array elements and slices, fields of composite values, jsonb keys: in UPDATE, INSERT, ON CONFLICT and MERGE
-- differs: SET of a part of a point, of an hstore and of other types of extensions | 0A000 | what is written there is known for arrays, row types and jsonb
CREATE TYPE inner_t AS (x int, y text);
CREATE TYPE place AS (street varchar(5), no int, tags text[], deep inner_t, j jsonb);
CREATE DOMAIN three AS int[] CHECK (cardinality(VALUE) <= 3);
CREATE DOMAIN homed AS place CHECK ((VALUE).no IS NULL OR (VALUE).no > 0);
CREATE TYPE "Odd Name" AS ("F 1" int, "select" text);
CREATE TABLE t (id int PRIMARY KEY, a int[], b text[], v varchar(3)[] DEFAULT '{d}', m int[], p place, ps place[],
    j jsonb, d three, h homed, o "Odd Name", n numeric(4, 1)[], pt point, g int GENERATED ALWAYS AS (a[1]) STORED);
INSERT INTO t (id) VALUES (1);
INSERT INTO t (id, a, b, v, m, p, ps, j, d, h, o, n, pt) VALUES
    (2, '{1,2,3}', '{x,y}', '{aa,bb}', '{{1,2},{3,4}}', ROW('st', 5, '{t1,t2}', ROW(1, 'one'), '{"k": 1}'),
        ARRAY[ROW('p1', 1, NULL, NULL, NULL)::place, ROW('p2', 2, '{q}', NULL, NULL)::place],
        '{"a": {"b": [1, 2]}, "l": [1, 2, 3]}', '{1,2}', ROW('hs', 3, NULL, NULL, NULL), ROW(1, 'sel'), '{1.5}', '(1,2)'),
    (3, '{}', NULL, NULL, NULL, NULL, '{}', '[]', NULL, NULL, NULL, NULL, NULL),
    (4, '[0:1]={7,8}', '{}', '{}', '{}', ROW(NULL, NULL, NULL, NULL, NULL), NULL, 'null', '{}', NULL, NULL, '{}', NULL);
CREATE TABLE other (id int PRIMARY KEY, k text, n int);
INSERT INTO other VALUES (1, 'key', 10), (2, 'k2', 20);
CREATE VIEW shown AS SELECT id, a AS arr, p AS pl FROM t;
-- script
UPDATE t SET a[1] = 10;
SELECT id, a FROM t ORDER BY id;
UPDATE t SET a[5] = id RETURNING id, a, g;
UPDATE t SET a[2:3] = '{20,30}' RETURNING id, a;
UPDATE t SET a[-1] = 0 WHERE id IN (1, 2) RETURNING a;
UPDATE t SET a[1] = NULL, b[2] = 'two', b[1] = b[1] || '!' RETURNING id, a, b;
UPDATE t SET a[1] = 5, a[2] = a[1], a[3:4] = ARRAY[8, 9] WHERE id = 2 RETURNING a;
UPDATE t SET a = '{1,2,3,4,5,6}' WHERE id = 2;
UPDATE t SET a[:2] = '{1,2}' WHERE id = 2 RETURNING a;
UPDATE t SET a[4:] = '{1,2,3}' WHERE id = 2 RETURNING a;
UPDATE t SET a[:] = array_fill(9, ARRAY[6]) WHERE id = 2 RETURNING a;
-- expect error 2202E
UPDATE t SET b[:] = '{a}' WHERE id = 3;
UPDATE t SET v[:] = NULL WHERE id = 3 RETURNING v;
UPDATE t SET a[2:3] = NULL WHERE id = 2 RETURNING a;
-- expect error 2202E
UPDATE t SET a[1:3] = '{1}' WHERE id = 2;
-- expect error 22004
UPDATE t SET a[NULL] = 1 WHERE id = 2;
-- expect error 22001
UPDATE t SET v[1] = 'long' WHERE id = 2;
UPDATE t SET v[1] = 'ab   ' WHERE id = 2 RETURNING v;
UPDATE t SET n[2] = 12.345, n[3] = '7' WHERE id = 2 RETURNING n;
UPDATE t SET a[id] = 1.6 WHERE id = 2 RETURNING a;
-- expect error 42804
UPDATE t SET a[1] = 'x'::text WHERE id = 2;
-- expect error 22P02
UPDATE t SET a[1] = 'x' WHERE id = 2;
UPDATE t SET m[1][2] = 22, m[2:2][1:2] = '{{5,6}}' WHERE id = 2 RETURNING m;
-- expect error 2202E
UPDATE t SET m[3][1] = 1 WHERE id = 2;
UPDATE t SET m[1][1] = 1 WHERE id IN (1, 3, 4) RETURNING id, m;
UPDATE t SET m[1:2][2] = '{{1,2},{3,4}}' WHERE id = 2 RETURNING m;
-- rows
UPDATE t SET p.no = 7 RETURNING id, p;
UPDATE t SET p.street = 'abc', p.deep.x = id, p.deep.y = NULL, p.tags[2] = 'second', p.j['n'] = '5' RETURNING id, p;
-- expect error 22001
UPDATE t SET p.street = 'too long' WHERE id = 1;
UPDATE t SET p.no = NULL WHERE id = 3 RETURNING p;
UPDATE t SET ps[1].no = 100, ps[1].street = 'new', ps[3].deep.y = 'deep' RETURNING id, ps;
UPDATE t SET ps[2] = ROW('r', 1, NULL, NULL, NULL) WHERE id = 2 RETURNING ps;
UPDATE t SET o."F 1" = 4, o."select" = 'kept' RETURNING id, o;
-- expect error 42703
UPDATE t SET p.nothing = 1;
-- expect error 22001
UPDATE t SET p = ROW('too long', 1, NULL, NULL, NULL) WHERE id = 1;
UPDATE t SET p = ROW('abc', '1', '{a}', ROW(1, 'x'), '{}') WHERE id = 1 RETURNING p;
-- domains
UPDATE t SET d[3] = 3 WHERE id = 2 RETURNING d;
-- expect error 23514
UPDATE t SET d[4] = 3 WHERE id = 2;
UPDATE t SET h.no = 9, h.street = 'h' RETURNING id, h;
-- expect error 23514
UPDATE t SET h.no = -1 WHERE id = 2;
-- jsonb
UPDATE t SET j['a']['b'][1] = '"two"' WHERE id < 3 RETURNING id, j;
UPDATE t SET j['new'] = to_jsonb(id), j['l'][5] = '6' WHERE id = 2 RETURNING j;
UPDATE t SET j = NULL WHERE id IN (1, 3);
UPDATE t SET j[1] = '1' WHERE id = 1 RETURNING j;
UPDATE t SET j['1'] = '1' WHERE id = 3 RETURNING j;
UPDATE t SET j['z'] = NULL WHERE id = 3 RETURNING j;
UPDATE t SET j[o.k] = to_jsonb(o.n) FROM other o WHERE o.id = t.id - 1 AND t.id = 2 RETURNING j, o.k;
-- expect error 22023
UPDATE t SET j['1']['x'] = '1' WHERE id = 3;
-- expect error 22004
UPDATE t SET j[NULL] = '1' WHERE id = 3;
-- params: 1, 42, 2
UPDATE t SET a[$1] = $2 WHERE id = $3 RETURNING a;
-- params: 'key', '{"x": 1}', 2
UPDATE t SET j[$1] = $2 WHERE id = $3 RETURNING j;
-- several at once
UPDATE t SET (a[1], p.no, b) = (1, 2, '{z}') WHERE id = 2 RETURNING a, p, b;
UPDATE t SET (a[1], p.no) = (SELECT n, n + 1 FROM other WHERE other.id = t.id) WHERE id IN (1, 2, 3) RETURNING id, a, p;
-- expect refused 0A000
UPDATE t SET pt[0] = 5;
-- expect error 42601
UPDATE t SET a = '{}', a[1] = 1;
-- as targets of INSERT
INSERT INTO t (id, a[2], a[1], p.no, p.deep.y, j['k'], v[1]) VALUES (10, 2, 1, 3, 'y', '1', 'v') RETURNING *;
INSERT INTO t (id, m[1:2], ps[2].no) SELECT 11, '{5,6}', 7 RETURNING *;
-- expect error 22001
INSERT INTO t (id, v[1]) VALUES (12, 'long');
INSERT INTO t (id, a[2], p.no) VALUES (10, 50, 60) ON CONFLICT (id) DO UPDATE SET a[3] = excluded.a[2], p.no = (excluded.p).no, p.street = 'c', j['k2'] = '2' RETURNING *;
INSERT INTO t (id, a[1], a[2], v[1], j['x']) VALUES (13, 1, '2', 'v', '[]'), (10, 3, 4, 'w', 'true') ON CONFLICT (id) DO NOTHING RETURNING *;
-- expect error 22001
INSERT INTO t (id, v[2]) VALUES (13, 'long') ON CONFLICT (id) DO NOTHING;
INSERT INTO t (id, a[1:2], p.street) SELECT id + 12, ARRAY[id, n], 'ab' FROM other ON CONFLICT (id) DO UPDATE SET a = excluded.a, p = excluded.p RETURNING id, a, p;
INSERT INTO shown (id, arr[2], pl.no) VALUES (20, 5, 6) RETURNING *;
UPDATE shown SET arr[1] = 1, pl.street = 'vw' WHERE id = 20 RETURNING *;
SELECT * FROM t ORDER BY id;
UPDATE t SET id = id + 100, a[1] = id WHERE id < 3 RETURNING id, a;
WITH c AS (UPDATE t SET b[1] = 'cte' WHERE id = 3 RETURNING *) SELECT id, b FROM c;
