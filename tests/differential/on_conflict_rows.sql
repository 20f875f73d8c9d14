-- setup
-- shows: statements: ON CONFLICT DO UPDATE with excluded as a row
CREATE TABLE fruits (id int PRIMARY KEY, name text, n int DEFAULT 3, loud text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO fruits VALUES (23, 'Avocado'), (24, NULL);
CREATE VIEW shown AS SELECT name, id AS k, n FROM fruits;
-- script
INSERT INTO fruits AS f VALUES (23, 'Jackfruit') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE f.* <> excluded.* RETURNING *;
INSERT INTO fruits AS f VALUES (23, 'Jackfruit') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE f.* <> excluded.* RETURNING *;
INSERT INTO fruits AS f VALUES (23, 'Jackfruit') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE f.* = excluded.* RETURNING *;
INSERT INTO fruits AS f VALUES (23, 'Jack'), (24, 'n'), (25, 'z') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE f IS DISTINCT FROM excluded RETURNING *;
INSERT INTO fruits VALUES (23, 'Jack'), (24, 'm'), (25, 'z') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE (fruits.*) IS DISTINCT FROM (excluded.*) RETURNING *;
INSERT INTO fruits VALUES (23, 'Avocado') ON CONFLICT (id) DO UPDATE SET name = excluded.*::text RETURNING *;
INSERT INTO fruits VALUES (23, 'Avocado') ON CONFLICT (id) DO UPDATE SET name = to_jsonb(excluded) ->> 'loud', n = (excluded.*).n + 1 RETURNING *;
INSERT INTO fruits VALUES (23, 'Avocado') ON CONFLICT (id) DO UPDATE SET (name, n) = (SELECT e.name || '+', 7 FROM (SELECT excluded.*) e) RETURNING *;
INSERT INTO fruits VALUES (23, 'Avocado') ON CONFLICT (id) DO UPDATE SET name = ROW(excluded.*)::text RETURNING *;
INSERT INTO shown VALUES ('view', 23) ON CONFLICT (k) DO UPDATE SET name = excluded.*::text RETURNING *;
INSERT INTO shown AS s VALUES ('view', 23) ON CONFLICT (k) DO UPDATE SET name = excluded.name || '2' WHERE s.* IS DISTINCT FROM excluded.* RETURNING *;
INSERT INTO fruits VALUES (23, 'Avocado') ON CONFLICT (id) DO UPDATE SET id = excluded.id + 10, name = excluded::text WHERE fruits.* <> excluded.* RETURNING *;
-- expect error 42703
INSERT INTO fruits VALUES (33, 'Avocado') ON CONFLICT (id) DO UPDATE SET name = excluded.nosuch;
SELECT * FROM fruits ORDER BY id;
