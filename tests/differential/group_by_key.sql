-- setup
-- shows: queries: GROUP BY a primary key beside columns that cannot be grouped by (json, xml, point), the row as a whole, grouping sets
CREATE TABLE j (id int PRIMARY KEY, a json, x xml, p point, b box, v text);
INSERT INTO j VALUES (1, '{"a":1}', '<a/>', '(1,2)', '((1,2),(3,4))', 'x'), (2, '{"a":2}', '<b/>', '(3,4)', '((1,2),(3,4))', 'y');
CREATE TABLE jc (id int PRIMARY KEY, j_id int, n int);
INSERT INTO jc VALUES (1, 1, 5), (2, 1, 6), (3, 2, 7);
CREATE VIEW jv AS SELECT j.id, j.a, j.v, count(*) AS c, sum(jc.n) FROM j JOIN jc ON jc.j_id = j.id GROUP BY j.id;
-- script
UPDATE j SET v = v || '!';
UPDATE jc SET n = n + 1 WHERE id = 2;
SELECT j.id, j.a, j.x, j.p, j.b, count(*) FROM j JOIN jc ON jc.j_id = j.id GROUP BY j.id ORDER BY 1;
SELECT j.*, count(*) FROM j JOIN jc ON jc.j_id = j.id GROUP BY j.id ORDER BY 1;
SELECT j.a, sum(jc.n) OVER (ORDER BY j.id) FROM j JOIN jc ON jc.j_id = j.id GROUP BY j.id, jc.n ORDER BY jc.n;
SELECT DISTINCT ON (id) id, a, p FROM j GROUP BY id ORDER BY id;
SELECT id, a FROM j GROUP BY id HAVING (a->>'a') = '1';
SELECT id, (a->>'a')::int AS q FROM j GROUP BY id ORDER BY a->>'a';
SELECT id, v, upper(v), j.p[0] FROM j GROUP BY j.id ORDER BY p[0];
SELECT j FROM j GROUP BY j.id;
SELECT (j).a FROM j GROUP BY j.id ORDER BY j.id;
SELECT id, count(*), (SELECT max(n) FROM jc WHERE jc.j_id = j.id AND j.a IS NOT NULL) FROM j GROUP BY id ORDER BY id;
SELECT * FROM jv ORDER BY id;
-- expect error 42803
SELECT id, v FROM (SELECT * FROM j) j GROUP BY id;
SELECT j.a, j.v FROM j GROUP BY GROUPING SETS ((j.id), (j.id, j.v)) ORDER BY 2, j.id;
-- expect error 42803
SELECT j.id, j.a FROM j GROUP BY ROLLUP (j.id);
SELECT j.id, json_agg(j.a), json_agg(j) FROM j GROUP BY j.id ORDER BY j.id;
SELECT j.id, j.a, jc.n FROM j JOIN jc ON jc.j_id = j.id GROUP BY j.id, ROLLUP (jc.n) ORDER BY 1, 3;
SELECT public.j.a FROM public.j GROUP BY j.id ORDER BY j.id;
SELECT j.id, a::text FROM j WHERE a IS NOT NULL AND j.p IS NOT NULL GROUP BY id ORDER BY lower(a::text);
SELECT lower(v) AS a FROM j GROUP BY id ORDER BY a;
SELECT x.a FROM (SELECT j.id, j.a, j.p FROM j GROUP BY j.id) x ORDER BY x.id;
SELECT row_to_json(j), count(*) FROM j GROUP BY j.id ORDER BY j.id;
SELECT j.id, j.v, j.a, jc.n FROM j JOIN jc ON jc.j_id = j.id GROUP BY j.id, CUBE (jc.n), ROLLUP (j.v) ORDER BY 1, 2, 4;
WITH c AS (SELECT j.id, j.x FROM j GROUP BY j.id) SELECT x::text FROM c ORDER BY 1;
SELECT id, p FROM j GROUP BY id HAVING p[0] > 0 ORDER BY p <-> '(0,0)' DESC;
-- expect error 42803
SELECT j.a, jc.n FROM j JOIN jc ON jc.j_id = j.id GROUP BY j.id;
-- expect error 42883
SELECT a FROM j GROUP BY a;
-- params: 1
SELECT id, a, $1::int FROM j GROUP BY id ORDER BY id;
