-- setup
-- shows: statements: UPDATE, FROM, several columns at once, subqueries, RETURNING, changes of the key
CREATE TABLE t (id int PRIMARY KEY, a int, b text, n numeric(6,2));
CREATE TABLE s (id int PRIMARY KEY, t_id int, v int);
CREATE DOMAIN short AS varchar(4);
CREATE TABLE named (id int PRIMARY KEY, s short);
INSERT INTO named VALUES (1, 'a');
INSERT INTO t SELECT n, n * 10, 'row ' || n, n FROM generate_series(1, 12) n;
INSERT INTO s SELECT n, n % 5 + 1, n * 100 FROM generate_series(1, 10) n;
CREATE SEQUENCE drawn;
-- differs: a volatile function in the sub-select or row of `SET (a, b) = …`, or in a view that it reads | 0A000 | it would be called once for each column; under WITH or in FROM it is called once
-- script
UPDATE t SET a = a + 1;
UPDATE t SET a = a * 2, b = upper(b) WHERE id < 4 RETURNING *;
UPDATE t SET a = b::int WHERE false;
UPDATE t SET a = a WHERE id = 5;
UPDATE t SET (a, b) = (1, 'pair') WHERE id = 6 RETURNING a, b;
UPDATE t SET (a, b) = ROW(2, 'row') WHERE id = 6;
UPDATE t SET (a, n) = (SELECT max(v), avg(v) / 10 FROM s WHERE s.t_id = t.id) WHERE id <= 6;
UPDATE t SET a = (SELECT sum(v) FROM s WHERE s.t_id = t.id) WHERE EXISTS (SELECT 1 FROM s WHERE s.t_id = t.id);
UPDATE t SET a = s.v FROM s WHERE s.id = t.id AND s.v > 500 RETURNING t.id, t.a, s.v, s.id AS sid;
UPDATE t AS x SET b = y.b || ' & ' || x.b FROM t AS y WHERE y.id = x.id - 1 AND x.id IN (8, 10) RETURNING x.id, x.b, y.id;
UPDATE t u SET a = 0 WHERE u.id = 11 RETURNING u.*;
UPDATE t SET b = 'in' WHERE id IN (SELECT t_id FROM s WHERE v < 300);
UPDATE t SET n = '12.345' WHERE id = 1 RETURNING n;
UPDATE t SET a = '42', b = 17 WHERE id = 2 RETURNING a, b;
UPDATE t SET a = DEFAULT, b = DEFAULT WHERE id = 3 RETURNING *;
UPDATE t SET a = CASE WHEN a IS NULL THEN -1 ELSE a END RETURNING id, a, a > 0 AS positive;
UPDATE public.t SET b = public.t.b || '?' WHERE t.id = 12 RETURNING public.t.b;
UPDATE t SET a = s.v + z.v FROM s JOIN s z ON z.id = s.id + 1 WHERE s.id = t.id AND t.id = 9 RETURNING t.*, s.v, z.id AS zid;
UPDATE t SET a = 5 FROM (SELECT id FROM t WHERE a > 500) big WHERE big.id = t.id RETURNING t.id;
UPDATE t SET id = 50 WHERE id = 12 RETURNING *;
UPDATE t SET id = id + 100 WHERE id > 8;
SELECT * FROM t ORDER BY id;
-- params: 7, seven, 7
UPDATE t SET a = $1, b = $2 WHERE id = $3 RETURNING *;
-- params: 1
UPDATE t SET a = a + $1;
SELECT * FROM t ORDER BY id;
UPDATE t SET a = 1 WHERE id = 4711 RETURNING *;
-- expect error 42703
UPDATE t SET nope = 1;
-- expect error 42601
UPDATE t SET a = 1, a = 2;
-- expect error 42804
UPDATE t SET a = now();
-- expect error 22003
UPDATE t SET n = 123456 WHERE id = 1;
-- expect error 21000
UPDATE t SET a = (SELECT v FROM s);
-- expect error 42P01
UPDATE nowhere SET a = 1;
-- expect error 42P01
UPDATE t AS x SET a = 1 WHERE t.id = 1;
SELECT * FROM t ORDER BY id;
-- a domain over a type with a length does not cut either
-- expect error 22001
UPDATE named SET s = 'longer';
-- several columns from a row with a star
UPDATE t SET (a, b) = ROW(v.*) FROM (VALUES (7, 'starred')) v (a, b) WHERE t.id = 1;
UPDATE t SET (id, a, n) = ROW(s.*) FROM s WHERE s.id = t.id AND s.id = 2 RETURNING t.*;
UPDATE t SET (a, b, n) = ROW(s.t_id, upper(b), s.v / 10) FROM s WHERE s.id = t.id AND s.id < 4;
INSERT INTO t VALUES (3, 1, 'again', 2) ON CONFLICT (id) DO UPDATE SET (id, a, b, n) = ROW(excluded.*);
-- expect error 42601
UPDATE t SET (a, b) = ROW(1, 'x', 3);
-- expect error 42601
UPDATE t SET (a, b) = ROW(s.*) FROM s;
-- expect error 0A000
UPDATE t SET (a, b) = (s.v) FROM s;
-- expect refused 0A000
UPDATE t SET (a, n) = (SELECT x, x FROM (SELECT nextval('drawn') AS x) q) WHERE id = 1;
UPDATE t SET (a, n) = (x, x) FROM nextval('drawn') AS x WHERE id = 1;
SELECT * FROM t ORDER BY id;
