-- setup
-- shows: types: numbers, text, bytea, json, uuid, inet, bit, money, xml
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN score AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE t (
  id int PRIMARY KEY, s smallint, b bigint, n numeric, m numeric(10,3), r real, d double precision,
  x text, v varchar(8), c char(5), o boolean, y bytea, u uuid, mo mood, sc score, z bit(4), w bit varying(6), q "char", nm name, mn money, o1 oid);
INSERT INTO t VALUES
 (1, 1, 1, 1.50, 1.5, 1.5, 1.5, 'a', 'abc', 'ab', true, '\x0102', '00000000-0000-0000-0000-000000000001', 'ok', 5, B'1010', B'101', 'x', 'name', 12.34, 26),
 (2, -32768, -9223372036854775808, 'NaN', -9999999.999, '-Infinity', 'NaN', '', '', '', false, '', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'sad', 0, B'0000', B'', '', '', -1, 0);
INSERT INTO t VALUES (3);
-- script
SELECT * FROM t ORDER BY id;
UPDATE t SET n = n + 1, x = x || '!' WHERE id = 1;
SELECT * FROM t ORDER BY id;
INSERT INTO t SELECT id + 10, s, b, n, m, r, d, x, v, c, o, y, u, mo, sc, z, w, q, nm, mn, o1 FROM t;
SELECT * FROM t ORDER BY id;
UPDATE t SET s = 5, b = 5000000000, n = 1e30, m = 7, r = 0.1, d = 1e300, v = 'v', c = 'c', o = NOT o, y = '\xdeadbeef', mo = 'happy', sc = 99, z = B'1111', w = '1', q = 'q', nm = 'n' WHERE id = 11 RETURNING *;
UPDATE t SET x = NULL, n = NULL, mo = NULL WHERE id = 12 RETURNING *;
SELECT id, pg_typeof(v), pg_typeof(c), pg_typeof(mo), pg_typeof(sc), v || c AS vc, octet_length(y) FROM t ORDER BY id;
SELECT max(mo), min(n), sum(m), max(d) FROM t WHERE id <> 2 AND id <> 12;
SELECT v, c, m, z, w FROM t WHERE id = 11;
SELECT id FROM t WHERE c = 'c' OR c = 'ab' ORDER BY id;
SELECT id FROM t WHERE mo > 'sad' ORDER BY id;
SELECT id, mo::text, sc + 1 AS s1, m * 2 AS m2, -b AS nb FROM t WHERE id IN (1, 11) ORDER BY id;
-- params: 21, 7, 70000000000, 3.14, text, t
INSERT INTO t (id, s, b, n, x, o) VALUES ($1, $2, $3, $4, $5, $6) RETURNING *;
-- params: NULL, 21
UPDATE t SET x = $1 WHERE id = $2 RETURNING id, x;
-- params: happy
SELECT id FROM t WHERE mo = $1 ORDER BY id;
-- params: 00000000-0000-0000-0000-000000000001
SELECT id FROM t WHERE u = $1 ORDER BY id;
-- expect error 22003
UPDATE t SET s = 40000 WHERE id = 1;
-- expect error 22003
UPDATE t SET m = 12345678 WHERE id = 1;
-- expect error 22001
UPDATE t SET v = 'far too long' WHERE id = 1;
-- expect error 22001
INSERT INTO t (id, c) VALUES (30, 'toolong');
-- expect error 22P02
INSERT INTO t (id, mo) VALUES (31, 'angry');
-- expect error 23514
INSERT INTO t (id, sc) VALUES (32, 101);
-- expect error 23514
UPDATE t SET sc = -1 WHERE id = 1;
-- expect error 22026
INSERT INTO t (id, z) VALUES (33, B'11111');
-- expect error 22P02
UPDATE t SET u = 'nonsense' WHERE id = 1;
-- expect error 22P02
INSERT INTO t (id, b) VALUES (34, '12x');
-- expect error 22003
SELECT s * 32767::smallint FROM t WHERE id = 21;
-- expect error 42804
UPDATE t SET o = 1 WHERE id = 1;
SELECT * FROM t ORDER BY id;
