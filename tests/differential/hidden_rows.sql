-- setup
-- shows: queries: expressions never meet a row that the draft replaced or removed
CREATE TABLE t (id int PRIMARY KEY, d int NOT NULL, x text NOT NULL, j text);
INSERT INTO t VALUES (1, 0, 'abc', '{bad'), (2, 5, '12', '{"a": 1}'), (3, 2, '7', '{}'), (4, 0, '9', 'nope');
-- script
-- expect error 22012
SELECT 10 / d FROM t ORDER BY id;
DELETE FROM t WHERE id IN (1, 4);
SELECT id, 10 / d FROM t ORDER BY id;
SELECT id, x::int FROM t ORDER BY id;
SELECT id FROM t WHERE 10 / d > 1 ORDER BY id;
SELECT id FROM t WHERE x::int > 8 ORDER BY id;
SELECT id, j::jsonb FROM t ORDER BY id;
SELECT sum(x::int), sum(10 / d) FROM t;
SELECT a.id FROM t a JOIN t b ON 100 / a.d = 100 / b.d ORDER BY 1;
SELECT id FROM t ORDER BY 10 / d, id;
SELECT 10 / d, count(*) FROM t GROUP BY 10 / d ORDER BY 1;
SELECT id FROM t WHERE (j::jsonb) @> '{"a": 1}';
INSERT INTO t VALUES (1, 1, '5', '{}');
UPDATE t SET d = 4, x = '44', j = '{"b": 2}' WHERE id = 3;
SELECT id, 10 / d, x::int, j::jsonb FROM t WHERE 10 / d >= 0 ORDER BY id;
UPDATE t SET d = 20 / d WHERE x::int > 1;
SELECT id, d FROM t ORDER BY id;
DELETE FROM t WHERE 1 / d = 0 AND x::int < 100;
SELECT * FROM t ORDER BY id;
INSERT INTO t VALUES (9, 0, 'z', '!');
-- expect error 22012
SELECT 1 / d FROM t WHERE id = 9;
-- expect error 22P02
SELECT x::int FROM t WHERE id = 9;
DELETE FROM t WHERE id = 9;
SELECT count(*) FROM t WHERE 1 / d < 5 AND x::int > 0;
