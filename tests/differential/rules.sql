-- setup
-- shows: tables: tables with rules `DO ALSO`, and commands that a rule `DO INSTEAD` of the table is not for
-- differs: rules `DO ALSO` of the base | act at commit | as its triggers: for the net change; also for rows that COPY brought and TRUNCATE took, which are INSERTs and DELETEs then; EXPLAIN shows no plan of theirs
-- differs: commands that a rule `DO INSTEAD` replaces; tables with rules in a tree | 0A000 | what would be written is not what was reviewed: leave the change to a person
CREATE TABLE goods (id int PRIMARY KEY, name text UNIQUE, price numeric DEFAULT 1, up text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE TABLE parts (id int PRIMARY KEY, good int REFERENCES goods ON DELETE CASCADE ON UPDATE CASCADE, label text);
CREATE TABLE heard (what text, id int, note text);
CREATE TABLE kept (id int PRIMARY KEY, name text, gone boolean DEFAULT false);
CREATE RULE came AS ON INSERT TO goods DO ALSO INSERT INTO heard SELECT 'good', new.id, new.price;
CREATE RULE changed AS ON UPDATE TO goods WHERE old.price IS DISTINCT FROM new.price DO ALSO UPDATE heard SET note = new.price WHERE id = old.id;
CREATE RULE went AS ON DELETE TO goods DO ALSO (DELETE FROM heard WHERE id = old.id; DELETE FROM heard WHERE note = old.name);
CREATE RULE part AS ON INSERT TO parts DO ALSO NOTHING;
CREATE RULE kept AS ON DELETE TO kept DO INSTEAD UPDATE kept SET gone = true WHERE id = old.id;
INSERT INTO goods SELECT i, 'good ' || i FROM generate_series(1, 12) i;
INSERT INTO parts SELECT i, 1 + i % 4, 'part ' || i FROM generate_series(1, 8) i;
INSERT INTO kept SELECT i, 'kept ' || i FROM generate_series(1, 4) i;
INSERT INTO heard SELECT 'name', 100 + i, 'good ' || i FROM generate_series(1, 12) i;
-- script
INSERT INTO goods VALUES (20, 'twenty', 3) RETURNING *;
INSERT INTO goods (id, name) SELECT 30 + i, 'more ' || i FROM generate_series(1, 3) i;
UPDATE goods SET price = price + 1 WHERE id IN (1, 2, 20) RETURNING id, price;
UPDATE goods SET name = name || '!' WHERE id = 3;
DELETE FROM goods WHERE id = 5 RETURNING name;
DELETE FROM goods WHERE id IN (6, 1) RETURNING id, up;
DELETE FROM goods USING parts WHERE goods.id = parts.good AND parts.id = 1;
SELECT * FROM goods ORDER BY id;
SELECT * FROM parts ORDER BY id;
-- expect error 23505
INSERT INTO goods VALUES (7, 'seven');
-- expect error 23505
INSERT INTO goods VALUES (77, 'good 8');
-- expect error 23503
INSERT INTO parts VALUES (10, 99, 'none'), (11, 20, 'one');
INSERT INTO parts VALUES (11, 20, 'one');
-- PostgreSQL's own refusals
-- expect error 0A000
INSERT INTO goods VALUES (7, 'seven') ON CONFLICT DO NOTHING;
-- expect error 0A000
INSERT INTO goods VALUES (7, 'seven') ON CONFLICT (id) DO UPDATE SET name = 'x';
-- expect error 0A000
WITH x AS (SELECT 1 AS a) UPDATE goods SET price = a FROM x WHERE id = 7;
-- expect error 0A000
WITH x AS (DELETE FROM goods WHERE id = 7 RETURNING id) SELECT * FROM x;
-- expect error 0A000
WITH x AS (INSERT INTO goods VALUES (8) RETURNING id) SELECT * FROM x;
INSERT INTO kept VALUES (9, 'nine') RETURNING *;
UPDATE kept SET name = 'changed' WHERE id < 3 RETURNING id, name;
-- expect refused 0A000
DELETE FROM kept WHERE id = 1;
-- expect refused 0A000
UPDATE kept SET id = 44 WHERE id = 4;
-- expect refused 0A000
TRUNCATE kept;
PREPARE p AS INSERT INTO goods VALUES ($1, $2) RETURNING id;
EXECUTE p (50, 'fifty');
BEGIN;
DELETE FROM goods WHERE id = 50;
SAVEPOINT s;
INSERT INTO goods VALUES (51, 'fifty');
ROLLBACK TO s;
COMMIT;
SELECT id, name, price, up FROM goods WHERE id > 19 ORDER BY id;
SELECT * FROM kept ORDER BY id;
