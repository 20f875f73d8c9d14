-- setup
-- shows: statements: INSERT with VALUES, SELECT, DEFAULT VALUES, column lists, RETURNING
CREATE TABLE t (id serial PRIMARY KEY, a int DEFAULT 7, b text DEFAULT 'dflt', c timestamptz DEFAULT '2020-01-01 00:00+00', e int NOT NULL DEFAULT 1 + 1);
CREATE TABLE k (x int, y text, v text, PRIMARY KEY (x, y));
INSERT INTO t (a) VALUES (1), (2), (3);
INSERT INTO k VALUES (1, 'a', 'one a'), (1, 'b', 'one b'), (2, 'a', 'two a');
-- script
INSERT INTO t DEFAULT VALUES;
INSERT INTO t DEFAULT VALUES RETURNING *;
INSERT INTO t (a, b) VALUES (10, 'x'), (DEFAULT, 'y'), (12, DEFAULT) RETURNING id, a, b;
INSERT INTO t VALUES (100, 1, 'full', '2021-01-01', 5);
INSERT INTO t VALUES (101, 2);
INSERT INTO t (b, a) VALUES ('swapped', 3) RETURNING *, id * 2 AS twice, upper(b) "Upper", a IS NULL;
INSERT INTO t (a) SELECT a + 100 FROM t WHERE a < 4 ORDER BY id RETURNING id, a;
INSERT INTO t AS fresh (a) VALUES (55) RETURNING fresh.id, fresh.a AS value, fresh;
INSERT INTO public.t (a) VALUES (56) RETURNING t.a, t.*;
INSERT INTO t (a) VALUES ((SELECT max(a) FROM t)), ((SELECT count(*) FROM t)) RETURNING a;
INSERT INTO t (id, a) SELECT n, n FROM generate_series(200, 209) n;
INSERT INTO t (a, b) (VALUES (1, 'v'), (2, 'w'));
INSERT INTO t (a) SELECT 1 WHERE false;
INSERT INTO k VALUES (3, 'c', 'three c'), (2, 'b', NULL) RETURNING *;
INSERT INTO k (y, x) VALUES ('z', 9);
INSERT INTO k SELECT x + 10, y, v || '!' FROM k;
TABLE k;
SELECT * FROM k WHERE (x, y) = (12, 'a');
SELECT * FROM t ORDER BY id;
SELECT currval('t_id_seq'), lastval();
-- params: 300, NULL
INSERT INTO t (id, a) VALUES ($1, $2) RETURNING *;
-- params: 5, five
INSERT INTO t (a, b) VALUES ($1 + 1, $2 || '!') RETURNING a, b;
-- expect error 42601
INSERT INTO t (a, b) VALUES (1);
-- expect error 42601
INSERT INTO t (a) VALUES (1, 2);
-- expect error 42601
INSERT INTO t (a) VALUES (1), (2, 3);
-- expect error 42703
INSERT INTO t (nope) VALUES (1);
-- expect error 42701
INSERT INTO t (a, a) VALUES (1, 2);
-- expect error 42804
INSERT INTO t (a) VALUES (true);
-- expect error 22P02
INSERT INTO t (a) VALUES ('x');
-- expect error 42601
INSERT INTO t VALUES (1, 2, 'b', now(), 5, 6);
-- expect error 23502
INSERT INTO t (e) VALUES (NULL);
-- expect error 23502
INSERT INTO k (x, y) VALUES (1, NULL);
SELECT count(*), sum(a) FROM t;
