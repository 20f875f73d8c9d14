-- setup
-- shows: protocol: parameters and their types in text and binary
CREATE TABLE t (id int PRIMARY KEY, a int, b text, c numeric, d bool, e timestamptz);
INSERT INTO t SELECT n, n * 2, 'b' || n, n / 4.0, n % 2 = 0, '2024-01-01 00:00+00' FROM generate_series(1, 6) n;
-- script
-- params: 2
SELECT * FROM t WHERE id = $1;
-- params: 2, new
UPDATE t SET b = $2 WHERE id = $1;
-- params: 2
SELECT * FROM t WHERE id = $1;
-- params: 2
SELECT b, $1::int + id AS sum FROM t WHERE id >= $1 ORDER BY id;
-- params: b%, 3
SELECT id FROM t WHERE b LIKE $1 AND id > $2 ORDER BY id;
-- params: NULL
SELECT count(*) FROM t WHERE b = $1;
-- params: NULL
SELECT count(*) FROM t WHERE $1::text IS NULL;
-- params: 7, 14, x, 1.5, t, 2024-05-05 05:05+00
INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6) RETURNING *;
-- params: 8, NULL
INSERT INTO t (id, b) VALUES ($1, $2), ($1 + 1, coalesce($2, 'd')) RETURNING id, b;
-- params: 3, 3
DELETE FROM t WHERE id = $1 OR a = $2::int * 2 RETURNING id;
-- params: '{1,2,7}'
SELECT id, a FROM t WHERE id = ANY ($1::int[]) ORDER BY id;
-- params: 1, 5
UPDATE t SET a = $2, c = $2::int * 1.5, d = NOT d WHERE id = $1 RETURNING *;
-- params: 2
SELECT x.id, (SELECT count(*) FROM t y WHERE y.id < x.id AND y.a > $1) FROM t x ORDER BY x.id;
-- params: 2, 2
WITH p AS (SELECT $1::int AS lo) SELECT id FROM t, p WHERE id > lo LIMIT $2;
-- params: a, b
SELECT $1 || $2 AS ab, $2 = 'b' AS eq;
-- params: 2
SELECT * FROM t WHERE id = $1;
-- params: x
-- expect error 22P02
SELECT * FROM t WHERE id = $1;
-- params: 1
-- expect any
SELECT $1 IS NULL AND $2 IS NULL;
-- params: 1, 2
-- expect error 08P01
SELECT id FROM t WHERE id = $1;
SELECT * FROM t ORDER BY id;
