-- setup
-- shows: statements: DELETE, USING, RETURNING, subqueries
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
CREATE TABLE s (id int PRIMARY KEY, t_id int);
INSERT INTO t SELECT n, n * 10, 'row ' || n FROM generate_series(1, 20) n;
INSERT INTO s SELECT n, n * 2 FROM generate_series(1, 10) n;
-- script
DELETE FROM t WHERE id = 1;
DELETE FROM t WHERE id = 1;
DELETE FROM t WHERE id = 2 RETURNING *;
DELETE FROM t WHERE id IN (3, 4) RETURNING id, a + 1 AS next, b;
DELETE FROM t USING s WHERE s.t_id = t.id AND s.id = 3 RETURNING t.id, s.id AS sid;
DELETE FROM t AS x USING t AS y WHERE y.id = x.id - 1 AND x.id IN (8, 9) RETURNING x.id, y.id;
DELETE FROM t WHERE a > (SELECT avg(a) FROM t) AND id % 2 = 0 RETURNING id;
DELETE FROM t u WHERE NOT EXISTS (SELECT 1 FROM s WHERE s.t_id = u.id) AND u.id > 15;
DELETE FROM t WHERE id = 5;
DELETE FROM public.t WHERE public.t.id = 7 RETURNING public.t.*;
SELECT * FROM t ORDER BY id;
INSERT INTO t VALUES (1, 1, 'again') RETURNING *;
INSERT INTO t VALUES (2, 2, 'again'), (400, 4, 'new');
UPDATE t SET b = b || '!' WHERE id IN (1, 2, 400);
DELETE FROM t WHERE id = 400;
INSERT INTO t VALUES (400, 40, 'third life');
SELECT * FROM t ORDER BY id;
-- params: 400
DELETE FROM t WHERE id = $1 RETURNING *;
DELETE FROM t;
SELECT * FROM t;
SELECT count(*) FROM t;
INSERT INTO t SELECT n, n, 'reborn' FROM generate_series(1, 5) n;
SELECT * FROM t ORDER BY id;
DELETE FROM s WHERE t_id NOT IN (SELECT id FROM t);
SELECT * FROM s ORDER BY id;
-- expect error 42P01
DELETE FROM nowhere;
-- expect error 42703
DELETE FROM t WHERE nope = 1;
-- expect error 42P01
DELETE FROM t WHERE s.id = t.id;
-- expect error 42712
DELETE FROM t USING t;
