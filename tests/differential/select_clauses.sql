-- setup
-- shows: queries: every clause of SELECT, whole rows, system columns, TABLESAMPLE
-- differs: the rows that TABLESAMPLE draws, also with REPEATABLE | others; the same ones while the table stays as it is | PostgreSQL draws pages and places of rows, and the draft's rows have none
-- differs: `ctid`, `xmin`, `cmin`, `xmax`, `cmax` of rows the session changed | a head's own | they tell rows apart, but are no places in the table
-- differs: GROUP BY of a primary key beside columns without an equality (json, xml) | 42883 | a derived table has no key, so the columns are added to the GROUP BY
CREATE TYPE pair AS (a int, b text);
CREATE TABLE t (id int PRIMARY KEY, g text, n numeric(8,2), arr int[], js jsonb, p pair, d date, x xml);
CREATE TABLE s (id int PRIMARY KEY, t int REFERENCES t, v text);
INSERT INTO t SELECT n, CASE n % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END, n * 1.5, ARRAY[n, n + 1, n * 2], jsonb_build_object('k', n, 'l', jsonb_build_array(n, n + 1)), ROW(n, 'p' || n)::pair, date '2024-01-01' + n, ('<r><i>' || n || '</i></r>')::xml FROM generate_series(1, 12) n;
INSERT INTO s SELECT n, 1 + n % 6, 's' || n FROM generate_series(1, 18) n;
CREATE FUNCTION dbl(i int, add int DEFAULT 0) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT i * 2 + add';
CREATE FUNCTION most(VARIADIC i int[]) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT max(v) FROM unnest(i) v';
CREATE FUNCTION label(t) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'row ' || $1.id $$;
CREATE OPERATOR |+| (FUNCTION = dbl, LEFTARG = int, RIGHTARG = int);
-- script
UPDATE t SET n = n + 100, g = 'c' WHERE id IN (2, 5);
DELETE FROM s WHERE id % 7 = 0;
INSERT INTO t (id, g, n, arr, js, p, d) VALUES (50, 'new', 1, '{7,8,9}', '{"k": 50}', ROW(50, 'x'), '2025-01-01');
INSERT INTO s VALUES (100, 50, 'hundred'), (101, NULL, 'none');
-- whole rows and composites
SELECT t FROM t WHERE id < 3 ORDER BY id;
SELECT (t).id, (t.p).b, (p).a FROM t WHERE id = 2;
SELECT (t.p).* FROM t WHERE id < 4 ORDER BY id;
SELECT t.label, label(t), label(t.*) FROM t WHERE id IN (1, 50) ORDER BY id;
SELECT row_to_json(t) FROM t WHERE id = 50;
SELECT t.* IS NULL, ROW(t.id, t.g) = ROW(2, 'c'), (t.id, t.g) IN ((2, 'c'), (3, 'a')) FROM t ORDER BY id LIMIT 4;
SELECT count(t), count(DISTINCT t.g), count(*) FILTER (WHERE g = 'c') FROM t;
-- grouping
SELECT t.id, t.g, count(*) FROM t JOIN s ON s.t = t.id GROUP BY t.id ORDER BY t.id;
SELECT t.id, t.g, t.n, t.arr, t.js, t.d, count(s.id) FROM t LEFT JOIN s ON s.t = t.id GROUP BY t.id HAVING count(s.id) > 2 ORDER BY t.id;
SELECT g, id % 2 AS odd, sum(n), GROUPING(g, id % 2) FROM t GROUP BY GROUPING SETS ((g, id % 2), (g), ()) ORDER BY 1, 2, 3;
SELECT g, id % 2, count(*) FROM t GROUP BY ROLLUP (g, id % 2) ORDER BY 1, 2, 3;
SELECT g, id % 2, count(*) FROM t GROUP BY CUBE (1, 2) ORDER BY 1, 2, 3;
SELECT g, count(*) FROM t GROUP BY DISTINCT ROLLUP (g, g) ORDER BY 1, 2;
SELECT DISTINCT ON (g) g, id, n FROM t ORDER BY g, n DESC;
SELECT g, array_agg(id ORDER BY id DESC), string_agg(id::text, ',' ORDER BY n), percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FROM t GROUP BY g ORDER BY g;
-- windows
SELECT id, g, rank() OVER w, sum(n) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), lag(id, 1, -1) OVER w FROM t WINDOW w AS (PARTITION BY g ORDER BY id) ORDER BY id;
SELECT id, first_value(id) OVER (ORDER BY n RANGE BETWEEN 10 PRECEDING AND 10 FOLLOWING EXCLUDE CURRENT ROW), ntile(3) OVER (ORDER BY id), count(*) OVER (ORDER BY id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING) FROM t ORDER BY id;
SELECT id, sum(n) FILTER (WHERE id > 3) OVER (ORDER BY id) FROM t ORDER BY id;
-- joins
SELECT * FROM s NATURAL JOIN (SELECT id, g FROM t) q ORDER BY id;
SELECT id, g, v FROM t JOIN s USING (id) ORDER BY id;
SELECT j.id, t.g FROM t JOIN s USING (id) AS j ORDER BY 1;
SELECT t.id, s.id FROM t FULL JOIN s ON s.t = t.id AND s.id > 10 ORDER BY 1, 2;
SELECT t.id, q.v FROM t LEFT JOIN LATERAL (SELECT v FROM s WHERE s.t = t.id ORDER BY s.id DESC LIMIT 1) q ON true ORDER BY 1;
SELECT t.id, e, o FROM t, unnest(t.arr) WITH ORDINALITY AS u (e, o) WHERE t.id IN (2, 50) ORDER BY 1, 3;
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) WITH ORDINALITY AS r (i, l, o);
SELECT a.id, b.id FROM t a CROSS JOIN t b WHERE a.id = b.id + 48;
SELECT * FROM (t JOIN s ON s.t = t.id) AS j (i) WHERE j.i = 50;
-- set operations, values, table
SELECT id FROM t INTERSECT ALL SELECT t FROM s ORDER BY 1;
(SELECT id, g FROM t ORDER BY id DESC LIMIT 2) UNION ALL (SELECT t, v FROM s ORDER BY id LIMIT 2) ORDER BY 1, 2;
SELECT id FROM t EXCEPT SELECT t FROM s ORDER BY 1;
TABLE s ORDER BY id LIMIT 3;
VALUES ((SELECT max(id) FROM t), 'x'), (1, 'y');
SELECT * FROM (VALUES (1, 'one'), (50, 'fifty')) AS l (id, w) JOIN t USING (id) ORDER BY id;
SELECT id FROM t ORDER BY n DESC NULLS LAST OFFSET 2 ROWS FETCH FIRST 3 ROWS ONLY;
SELECT g, id FROM t ORDER BY g NULLS FIRST FETCH FIRST 2 ROWS WITH TIES;
SELECT id FROM t ORDER BY id USING > LIMIT 2;
-- recursion
WITH RECURSIVE r (i, depth) AS (SELECT id, 0 FROM t WHERE id = 1 UNION ALL SELECT t.id, depth + 1 FROM t JOIN r ON t.id = r.i + 1) SELECT * FROM r ORDER BY i;
WITH RECURSIVE r AS (SELECT id, t FROM s WHERE id = 1 UNION ALL SELECT s.id, s.t FROM s JOIN r ON s.id = r.t + 1) SEARCH DEPTH FIRST BY id SET o CYCLE id SET c USING path SELECT id, t, c FROM r ORDER BY o;
WITH a AS MATERIALIZED (SELECT * FROM t), b AS NOT MATERIALIZED (SELECT * FROM a WHERE g = 'c') SELECT a.id, b.id FROM a LEFT JOIN b USING (g) ORDER BY 1, 2;
-- subqueries
SELECT id, ARRAY(SELECT v FROM s WHERE s.t = t.id ORDER BY id), EXISTS (SELECT FROM s WHERE s.t = t.id) FROM t ORDER BY id;
SELECT id FROM t WHERE id = ANY (SELECT t FROM s WHERE v LIKE 's1%') AND n > ALL (SELECT 0.5) ORDER BY id;
SELECT id FROM t WHERE (id, g) = (SELECT 2, 'c');
SELECT id FROM t WHERE (SELECT count(*) FROM s WHERE s.t = t.id) = 0 ORDER BY id;
-- arrays, json, xml
SELECT id, arr[2], arr[1:2], arr[:2], arr[2:], array_length(arr, 1), 7 = ANY (arr) FROM t WHERE id IN (2, 50) ORDER BY id;
SELECT id, js -> 'k', js ->> 'k', js #> '{l,0}', js['k'], js @> '{"k": 5}' FROM t WHERE id IN (5, 50) ORDER BY id;
SELECT id, jsonb_path_query_first(js, '$.k ? (@ > 3)') FROM t ORDER BY id;
SELECT t.id, e.value FROM t, jsonb_each(t.js) e WHERE t.id = 2 ORDER BY e.key;
SELECT t.id, x.* FROM t, XMLTABLE('/r' PASSING t.x COLUMNS i int PATH 'i', o FOR ORDINALITY) x WHERE t.id < 4 ORDER BY 1;
SELECT xmlelement(name e, xmlattributes(id AS i), g), xmlforest(id, g) FROM t WHERE id = 2;
SELECT xmlagg(xmlelement(name i, id) ORDER BY id) FROM t WHERE id < 4;
-- expressions
SELECT id, CASE g WHEN 'c' THEN 1 ELSE 2 END, coalesce(g, 'none'), nullif(g, 'c'), greatest(id, 5), n::int, CAST(d AS text), d AT TIME ZONE 'UTC' FROM t WHERE id IN (2, 3, 50) ORDER BY id;
SELECT dbl(id), dbl(i => id, add => 1), dbl(id, add := 2), most(id, 3, 4), most(VARIADIC arr), id |+| 1, id OPERATOR(public.|+|) 1 FROM t WHERE id IN (2, 50) ORDER BY id;
SELECT id, d + interval '1 day', extract(year FROM d), date_trunc('month', d), d BETWEEN '2024-01-01' AND '2024-01-05', d BETWEEN SYMMETRIC '2024-01-05' AND '2024-01-01', (d, d + 3) OVERLAPS (date '2024-01-03', date '2024-01-04') FROM t ORDER BY id LIMIT 4;
SELECT date '2024-02-03', timestamp '2024-02-03 01:02', interval '1' day, numeric '1.50', bool 't', int4 '3', id FROM t WHERE id = 2;
SELECT substring(v FROM 2 FOR 1), position('s' IN v), trim(BOTH 's' FROM v), overlay(v PLACING 'X' FROM 1 FOR 1), v SIMILAR TO 's[0-9]', v ~ '^s1', v COLLATE "C" < 't' FROM s WHERE id IN (1, 100) ORDER BY id;
SELECT id IS DISTINCT FROM 2, g IS NOT NULL, (g = 'c') IS TRUE, (g = 'c') IS UNKNOWN, NOT g = 'c' FROM t WHERE id < 4 ORDER BY id;
SELECT "id" AS "Quoted Id", t."g" "G" FROM "public"."t" AS t WHERE "id" = 2;
SELECT public.t.id, t.g FROM public.t WHERE public.t.id = 5;
SELECT FROM t WHERE id = 2;
SELECT * FROM t AS q (i, h) WHERE i = 2;
SELECT DISTINCT g FROM t ORDER BY g;
SELECT ALL g FROM ONLY t WHERE id < 3 ORDER BY id;
SELECT 1 FROM t * WHERE id = 2;
SELECT t.tableoid::regclass, t.id FROM t WHERE id IN (2, 3, 50) ORDER BY id;
SELECT tableoid = 't'::regclass, count(*) FROM t GROUP BY 1;
SELECT count(*) FROM t WHERE ctid IS NOT NULL;
SELECT count(DISTINCT ctid) = count(*) FROM t;
SELECT count(*) FROM t TABLESAMPLE BERNOULLI (100);
SELECT count(*) FROM t TABLESAMPLE SYSTEM (100) REPEATABLE (3) WHERE id > 2;
SELECT count(*) FROM t x TABLESAMPLE BERNOULLI (0);
-- expect error 2202H
SELECT id FROM t TABLESAMPLE SYSTEM (NULL);
-- expect error 2202G
SELECT id FROM t TABLESAMPLE SYSTEM (50) REPEATABLE (NULL);
-- expect error 2202H
SELECT id FROM t TABLESAMPLE BERNOULLI (-1) WHERE id < 0;
-- expect error 2202H
SELECT id FROM t AS x TABLESAMPLE BERNOULLI (200);
-- params: '100'
SELECT count(*) FROM t TABLESAMPLE BERNOULLI ($1);
-- params: '101'
-- expect error 2202H
SELECT count(*) FROM t TABLESAMPLE BERNOULLI ($1);
-- values vary
SELECT ctid, xmin, cmin, xmax, cmax FROM t WHERE id = 2;
-- values vary
SELECT t.xmin, * FROM t WHERE id IN (2, 3) ORDER BY id;
SELECT q.tableoid::regclass::text, q.id FROM (SELECT tableoid, id FROM t) q WHERE q.id IN (2, 3) ORDER BY 2;
WITH c AS (SELECT ctid, id FROM t) SELECT count(*) FROM t JOIN c ON c.ctid = t.ctid AND c.id = t.id;
