-- setup
-- shows: queries: whole rows as values and arguments (of functions, aggregates, arrays, COALESCE), of tables and views, their type, NULL under outer joins
-- differs: PostgreSQL 14, names in the JSON of a whole row whose columns have aliases | the aliases, as 15 and later do; 14 takes the names of the table | 14 is not developed any more
-- needs: PostgreSQL 15
CREATE TABLE film (id int PRIMARY KEY, title varchar(20), gone int, tags text[]);
ALTER TABLE film DROP COLUMN gone;
CREATE TABLE city (id int PRIMARY KEY, name text);
CREATE VIEW tagged AS SELECT id, title FROM film WHERE tags IS NOT NULL;
INSERT INTO film SELECT g, 'f' || g, CASE WHEN g % 2 = 0 THEN ARRAY['a', g::text] END FROM generate_series(1, 6) g;
INSERT INTO city SELECT g, 'c' || g FROM generate_series(1, 4) g;
CREATE TABLE being (id int, name text);
CREATE TABLE person (shoe int PRIMARY KEY) INHERITS (being);
CREATE FUNCTION called(being) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.name';
CREATE FUNCTION shod(person) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.name || $1.shoe';
INSERT INTO person VALUES (1, 'p1', 41);
-- script
UPDATE film SET title = 'x' WHERE id < 3;
UPDATE city SET name = 'y' WHERE id = 2;
SELECT to_json(f), to_json(f.*), pg_typeof(f)::text, pg_typeof(f.*)::text, f, (f).*, x FROM film f(x, y) WHERE x = 2;
SELECT json_agg(c ORDER BY a), count(d) FROM city c(a, b) LEFT JOIN film d(p) ON p = a WHERE a < 3;
SELECT to_json(z) FROM (SELECT * FROM city c(a, b) WHERE a = 2) z;
SELECT to_json(id) FROM city id(c) WHERE c = 2;
SELECT pg_typeof(film.*)::text, to_json(film.*) FROM film WHERE id = 3;
SELECT pg_typeof(f)::text, pg_typeof(array_agg(f) OVER ())::text FROM film f WHERE id = 1;
SELECT ((array_agg(f ORDER BY id))[1]).title FROM film f;
SELECT array_agg(f ORDER BY id) FROM film f WHERE id < 4;
SELECT ARRAY[f, f] FROM film f WHERE id = 1;
SELECT (coalesce(f, f)).tags FROM film f WHERE id = 2;
SELECT count(c), count(*), count(c.name), num_nulls(c) FROM film f LEFT JOIN city c ON c.id = f.id GROUP BY c.id IS NULL, num_nulls(c) ORDER BY 1;
SELECT to_json(c), count(*) FROM city c GROUP BY c ORDER BY to_json(c)::text;
SELECT json_agg(c ORDER BY id) FROM city c;
SELECT f.id, json_agg(c) FROM film f LEFT JOIN city c USING (id) GROUP BY f.id ORDER BY 1;
SELECT lower(name) AS c FROM city c ORDER BY c;
SELECT c FROM city c ORDER BY c DESC;
SELECT DISTINCT to_jsonb(c) FROM city c ORDER BY to_jsonb(c);
SELECT to_json(t), pg_typeof(t)::text FROM tagged t ORDER BY id;
SELECT to_json(s) FROM (SELECT * FROM city WHERE id = 2) s;
WITH c AS (SELECT * FROM city WHERE id = 2) SELECT to_json(c) FROM c;
SELECT (SELECT to_json(c) FROM film f WHERE f.id = c.id) FROM city c ORDER BY id;
SELECT public.film.id, to_json(film) FROM public.film ORDER BY id LIMIT 2;
SELECT greatest(c, c) = c, row(c, 1), jsonb_populate_record(c, '{"name": "p"}') FROM city c WHERE id = 2;
UPDATE film SET tags = ARRAY[row_to_json(film)::text] WHERE id = 3 RETURNING to_json(film), pg_typeof(film)::text;
UPDATE film SET title = 'q' WHERE id = 3 RETURNING film.* IS NULL, to_json(film.*), (film.*)::text;
UPDATE film f SET title = 'q' WHERE id = 3 RETURNING f.* AS ignored, 1;
UPDATE film f SET title = 'r' FROM city c WHERE f.id = 3 AND c.id = 3 RETURNING c.*ignored, f.*, c.* IS NULL, row(c.*), to_json(c.*), (f.*)::text, ARRAY[c.*] IS NULL, (c.*).name;
WITH u AS (UPDATE film f SET title = 's' FROM city c WHERE c.id = f.id RETURNING f.id, c.*ignored) SELECT * FROM u ORDER BY 1;
UPDATE city c SET name = left(to_json(c.*)::text, 40) WHERE c.* IS NOT NULL AND id < 3 RETURNING *;
UPDATE city c SET name = (SELECT to_json(c.*)::text FROM film f WHERE f.id = c.id) WHERE id = 4 RETURNING c, name;
UPDATE city c SET name = ROW(c.*)::text WHERE (c.*)::text <> '' AND id = 1 RETURNING c.* = c.*, name;
DELETE FROM city c WHERE c.* = ROW(3, 'c3'::text) RETURNING c.*, to_json(c);
INSERT INTO city VALUES (9, 'nine') RETURNING city.* IS NOT NULL, to_json(city.*), row(city.*);
INSERT INTO city SELECT c.id + 100, to_json(c.*)::text FROM city c WHERE id < 3 RETURNING *;
SELECT f, ctid IS NULL, tableoid::regclass::text FROM film f WHERE id = 3;
SELECT to_json(f), to_json(f.*), ctid IS NULL, row(f.*) FROM film f WHERE id = 3;
SELECT f.*, tableoid::regclass::text FROM film f WHERE id = 3;
SELECT * FROM city WHERE city IN (ROW(9, 'nine')::city, '(2,y)') ORDER BY id;
SELECT city FROM city UNION SELECT '(7,x)' UNION SELECT ROW(7, 'x')::city ORDER BY 1;
SELECT city FROM city EXCEPT SELECT ROW(2, 'y')::city ORDER BY 1;
SELECT CASE WHEN id = 9 THEN '(7,seven)' ELSE c END, CASE WHEN id = 9 THEN c ELSE '(8,eight)' END FROM city c ORDER BY id;
SELECT CASE c WHEN ROW(9, 'nine'::text) THEN 1 END FROM city c ORDER BY id;
-- A function of the row, written as a column.
INSERT INTO person VALUES (2, 'p2', 42);
SELECT p.called FROM person p ORDER BY p.shoe;
SELECT p.shod, p.called AS q FROM person p ORDER BY p.called;
SELECT person.called, person.ctid IS NULL FROM person WHERE person.called = 'p2';
SELECT (SELECT shod(p.*)), (SELECT called(p)), (SELECT p.called) FROM person p ORDER BY shoe;
SELECT (SELECT called(p.*) FROM being LIMIT 1) FROM person p ORDER BY shoe;
-- expect error 42703
SELECT p.nothing FROM person p;
SELECT b.called FROM being b ORDER BY 1;
SELECT b.called FROM (SELECT * FROM being) b (id, called) ORDER BY 1;
