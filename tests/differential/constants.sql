-- setup
-- shows: statements: one text again and again with other constants
CREATE TABLE a (id int PRIMARY KEY, name text, price numeric(8,2), big bigint, doc jsonb, day date, tags text[], CHECK (price >= 0));
CREATE TABLE b (id serial PRIMARY KEY, a_id int REFERENCES a, note text);
CREATE SEQUENCE one; CREATE SEQUENCE two START 100;
INSERT INTO a SELECT n, 'name ' || n, n * 1.5, n * 10000000000, jsonb_build_object('n', n), date '2020-01-01' + n, ARRAY['t' || n, 'x'] FROM generate_series(1, 20) n;
INSERT INTO b (a_id, note) SELECT n % 5 + 1, 'note ' || n FROM generate_series(1, 20) n;
-- script
SELECT name FROM a WHERE id = 1;
SELECT name FROM a WHERE id = 2;
SELECT name FROM a WHERE id = 3;
SELECT name FROM a WHERE id = 2147483647;
-- expect error 22P02
SELECT name FROM a WHERE id = 'three';
SELECT name FROM a WHERE id = '4';
SELECT name FROM a WHERE id = '5';
-- expect error 22P02
SELECT name FROM a WHERE id = '6é';
-- expect error 22P02
SELECT name FROM a WHERE id = '';
INSERT INTO a (id, name, price) VALUES (30, 'thirty', 1.5);
INSERT INTO a (id, name, price) VALUES (31, 'it''s', 2.25);
INSERT INTO a (id, name, price) VALUES (32, '', 0.0);
INSERT INTO a (id, name, price) VALUES (33, 'é''ü', 123456.78);
-- expect error 22003
INSERT INTO a (id, name, price) VALUES (34, 'wide', 1234567.8);
-- expect error 23505
INSERT INTO a (id, name, price) VALUES (33, 'again', 1.0);
INSERT INTO a (id, name, price) VALUES (-33, 'minus', 1.0);
INSERT INTO a (id, name, price) VALUES (-34, 'minus', 1.0);
INSERT INTO a (id, name, price) VALUES (-35, 'minus', 2.0);
-- expect error 23514
INSERT INTO a (id, name, price) VALUES (36, 'negative', -1.0);
-- expect error 23514
INSERT INTO a (id, name, price) VALUES (37, 'negative', -2.0);
-- expect error 23514
INSERT INTO a (id, name, price) VALUES (38, 'negative', -3.0);
UPDATE a SET price = price + 1, name = 'first' WHERE id = 1;
UPDATE a SET price = price + 10, name = 'second' WHERE id = 2;
UPDATE a SET price = price + 100, name = '''third''' WHERE id = 3;
UPDATE a SET price = price + 1000, name = '-- fourth /*' WHERE id = 4;
UPDATE a SET price = price + -1, name = E'fi\'fth\\' WHERE id = 5;
UPDATE a SET price = price + -2, name = E'\n' WHERE id = 6;
UPDATE a SET price = price + -3, name = E'\\' WHERE id = 7;
UPDATE a SET price = price + -4, name = E'it''s' WHERE id = 8;
SELECT * FROM a ORDER BY id;
SELECT id, name FROM a WHERE name LIKE 'name 1%' ORDER BY id LIMIT 3;
SELECT id, name FROM a WHERE name LIKE '%th%' ORDER BY id LIMIT 2;
SELECT id, name FROM a WHERE name LIKE '%''%' ORDER BY id LIMIT 4;
SELECT id, name FROM a WHERE name LIKE '%' ORDER BY id LIMIT 0;
SELECT id, big, 1 AS one FROM a WHERE id < 5 ORDER BY 1, 2;
SELECT id, big, 2 AS one FROM a WHERE id < 6 ORDER BY 2, 1;
SELECT id, big, 3 AS one FROM a WHERE id < 7 ORDER BY 2, 1;
SELECT id, big, 4 AS one FROM a WHERE id < 8 ORDER BY 1, 2;
SELECT big + 1 AS b FROM a WHERE id = 1;
SELECT big + 10000000000 AS b FROM a WHERE id = 1;
SELECT big + 99999999999999999999 AS b FROM a WHERE id = 1;
SELECT big + 20000000000 AS b FROM a WHERE id = 1;
SELECT big + 30000000000 AS b FROM a WHERE id = 1;
SELECT big + 1.5 AS b FROM a WHERE id = 1;
SELECT id - 2147483648 AS a, id + -2147483648 AS b, pg_typeof(- 2147483648) FROM a WHERE id = 1;
SELECT id - 2147483649 AS a, id + -2147483649 AS b, pg_typeof(- 2147483649) FROM a WHERE id = 1;
SELECT doc ->> 'n' AS n, doc @> '{"n": 1}'::jsonb AS is FROM a WHERE id = 1;
SELECT doc ->> 'm' AS n, doc @> '{"n": 2}'::jsonb AS is FROM a WHERE id = 2;
SELECT doc ->> 'n' AS n, doc @> '{}'::jsonb AS is FROM a WHERE id = 3;
-- expect error 22P02
SELECT doc ->> 'n' AS n, doc @> '{'::jsonb AS is FROM a WHERE id = 4;
SELECT id FROM a WHERE day BETWEEN date '2020-01-02' AND '2020-01-05'::date + interval '1 day' ORDER BY id;
SELECT id FROM a WHERE day BETWEEN date '2020-01-03' AND '2020-01-06'::date + interval '2 days' ORDER BY id;
SELECT id FROM a WHERE day BETWEEN date '2020-01-04' AND '2020-01-07'::date + interval '3 days' ORDER BY id;
-- expect error 22008
SELECT id FROM a WHERE day BETWEEN date '2020-01-04' AND '2020-13-07'::date + interval '3 days' ORDER BY id;
-- expect error 22007
SELECT id FROM a WHERE day BETWEEN date 'one day' AND '2020-01-07'::date + interval '3 days' ORDER BY id;
SELECT nextval('one'), 1 AS n;
SELECT nextval('one'), 2 AS n;
SELECT nextval('one'), 3 AS n;
SELECT nextval('two'), 4 AS n;
SELECT nextval('two'), 5 AS n;
-- expect error 42P01
SELECT nextval('three'), 6 AS n;
SELECT a.name, b.note /* c 1 */ FROM a JOIN b ON b.a_id = a.id WHERE a.id IN (1, 2) AND b.id < 9 -- first
 ORDER BY b.id;
SELECT a.name, b.note /* c '2 */ FROM a JOIN b ON b.a_id = a.id WHERE a.id IN (3, 4) AND b.id < 19 -- second's
 ORDER BY b.id;
SELECT a.name, b.note /* /* c */ 3 */ FROM a JOIN b ON b.a_id = a.id WHERE a.id IN (5, 1) AND b.id < 29 --
 ORDER BY b.id;
-- expect error 22012
SELECT 1 / 0 AS x, name FROM a WHERE id = 1;
SELECT 1 / 1 AS x, name FROM a WHERE id = 1;
SELECT 1 / 2 AS x, name FROM a WHERE id = 2;
-- expect error 22012
SELECT 3 / 0 AS x, name FROM a WHERE id = 2;
SELECT CASE WHEN id = 1 THEN 'one' ELSE 'other' END, coalesce(NULL, 'a', name) FROM a WHERE id = 1;
SELECT CASE WHEN id = 2 THEN 'two' ELSE 'anyone' END, coalesce(NULL, 'b', name) FROM a WHERE id = 1;
SELECT CASE WHEN id = 3 THEN '' ELSE '''' END, coalesce(NULL, 'c', name) FROM a WHERE id = 1;
SELECT set_config('search_path', 'public', false), 1 AS x;
SELECT set_config('work_mem', '8MB', false), 2 AS x;
SELECT set_config('search_path', 'pg_catalog', false), 3 AS x;
-- expect error 42P01
SELECT name FROM a WHERE id = 7;
SELECT set_config('search_path', 'public', false), 4 AS x;
SELECT name FROM a WHERE id = 8;
INSERT INTO b (a_id, note) VALUES (1, 'x') RETURNING a_id, note || '!' AS note;
INSERT INTO b (a_id, note) VALUES (2, 'y') RETURNING a_id, note || '?' AS note;
INSERT INTO b (a_id, note) VALUES (3, 'z') RETURNING a_id, note || '' AS note;
-- expect error 23503
INSERT INTO b (a_id, note) VALUES (4000, 'none') RETURNING a_id, note || '' AS note;
DELETE FROM b WHERE id = 1 AND note <> 'x' RETURNING id, 'gone' AS what;
DELETE FROM b WHERE id = 2 AND note <> 'y' RETURNING id, 'away' AS what;
DELETE FROM b WHERE id = 3 AND note <> 'note 3' RETURNING id, '' AS what;
DELETE FROM b WHERE id = 4 AND note <> 'é' RETURNING id, 'é' AS what;
INSERT INTO a (id, name) VALUES (1, 'n1') ON CONFLICT (id) DO UPDATE SET name = excluded.name || ' again 1';
INSERT INTO a (id, name) VALUES (2, 'n2') ON CONFLICT (id) DO UPDATE SET name = excluded.name || ' again 2';
INSERT INTO a (id, name) VALUES (99, 'n99') ON CONFLICT (id) DO UPDATE SET name = excluded.name || ' again 99';
INSERT INTO a (id, name) VALUES (99, 'n100') ON CONFLICT (id) DO UPDATE SET name = excluded.name || ' again 100';
SELECT id, name, 7 AS n FROM a GROUP BY (1, 2) ORDER BY 1 LIMIT 2;
SELECT id, name, 8 AS n FROM a GROUP BY (2, 1) ORDER BY 1 LIMIT 3;
SELECT id, name, 9 AS n FROM a GROUP BY (1, 2) ORDER BY 1 LIMIT 4;
SELECT tags[1], tags[2] FROM a WHERE id = 1;
SELECT tags[2], tags[1] FROM a WHERE id = 2;
SELECT tags[1], tags[1] FROM a WHERE id = 3;
SELECT * FROM a ORDER BY id;
SELECT * FROM b ORDER BY id;
