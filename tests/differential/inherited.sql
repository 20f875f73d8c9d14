-- setup
-- shows: tables: inherited tables: INSERT, UPDATE and DELETE of parents with their children, of children, with ONLY; several levels and parents, columns of children in their own keys, tableoid, foreign keys, views, TRUNCATE, COPY
-- needs: PostgreSQL 15
-- differs: UPDATE and DELETE of an inheritance parent that come to rows of a child without any key | 0A000 | its rows cannot be told apart
-- differs: DETAIL of 23514 and 23502 for the row of a child, changed through its parent | all its columns | PostgreSQL gives those of the parent
-- differs: WHERE CURRENT OF a cursor over a table that others inherit from | 0A000 | name the table after ONLY, or the row by its key
CREATE TABLE cities (id int PRIMARY KEY, name text NOT NULL, pop int DEFAULT 7 CHECK (pop > 0), note varchar(20));
CREATE TABLE capitals (state char(2) UNIQUE NOT NULL, PRIMARY KEY (id)) INHERITS (cities);
CREATE TABLE ports (pop int DEFAULT 70, depth numeric NOT NULL, berth int, twice int GENERATED ALWAYS AS (pop * 2) STORED, PRIMARY KEY (id, berth)) INHERITS (cities);
CREATE TABLE harbours (ships int, PRIMARY KEY (name)) INHERITS (ports);
CREATE TABLE ruins (since int) INHERITS (cities);
CREATE TABLE things (tag text);
CREATE TABLE both_of (PRIMARY KEY (id)) INHERITS (capitals, things);
CREATE TABLE visits (city int REFERENCES cities ON DELETE CASCADE ON UPDATE CASCADE, n int PRIMARY KEY);
CREATE TABLE factors (id int PRIMARY KEY, by_what int, state text);
CREATE FUNCTION named(cities) RETURNS text LANGUAGE sql AS 'SELECT $1.name';
CREATE FUNCTION shouted(cities) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN upper($1.name); END';
CREATE VIEW big AS SELECT id, name, pop AS people FROM cities WHERE pop > 5 WITH CHECK OPTION;
CREATE VIEW own AS SELECT id, name FROM ONLY cities;
INSERT INTO cities VALUES (1, 'a', 10, 'x'), (2, 'b', 20, NULL), (3, 'c', 1, 'small');
INSERT INTO capitals VALUES (1, 'A', 100, 'cap', 'AA'), (4, 'D', 40, NULL, 'DD');
INSERT INTO ports VALUES (5, 'port', 50, 'p', 3.5, 1), (5, 'port2', 51, 'p', 3.6, 2);
INSERT INTO harbours (id, name, pop, note, depth, berth, ships) VALUES (6, 'harbour', 60, 'h', 9, 1, 33);
INSERT INTO both_of VALUES (7, 'both', 70, 'tt', 'BO', 'tag');
INSERT INTO ruins VALUES (90, 'ruin', 9, 'r', 1200);
INSERT INTO visits VALUES (1, 1), (2, 2);
INSERT INTO factors VALUES (1, 2, 'AA'), (4, 3, 'zz'), (5, 4, 'zz');
-- script
INSERT INTO cities (id, name) VALUES (10, 'new') RETURNING *;
INSERT INTO capitals (id, name, state) VALUES (11, 'newcap', 'NC') RETURNING *, tableoid::regclass;
INSERT INTO harbours (id, name, depth, berth) VALUES (12, 'newharbour', 2, 5) RETURNING *;
SELECT * FROM cities ORDER BY id, name;
SELECT * FROM ONLY cities ORDER BY id;
SELECT *, tableoid::regclass FROM cities ORDER BY id, name;
SELECT tableoid::regclass, count(*), sum(pop) FROM cities GROUP BY 1 ORDER BY 1;
SELECT * FROM capitals ORDER BY id;
SELECT * FROM ports ORDER BY id, berth;
SELECT * FROM ONLY ports ORDER BY id, berth;
SELECT * FROM things;
UPDATE cities SET pop = pop + 1 WHERE id IN (1, 5, 6, 7);
UPDATE cities c SET note = upper(c.name) WHERE c.id < 6 AND name <> 'zz' RETURNING *;
UPDATE cities SET note = 'toolong' || id WHERE id = 5 RETURNING cities, tableoid::regclass, id + 1 AS more;
UPDATE ONLY cities SET note = 'only' WHERE id IN (1, 7) RETURNING id, note, tableoid::regclass;
UPDATE capitals SET state = 'XX' WHERE id = 4 RETURNING *;
UPDATE ports SET pop = DEFAULT, depth = depth + 1 WHERE id IN (5, 6) RETURNING *;
UPDATE cities SET pop = DEFAULT WHERE id = 5 RETURNING *;
UPDATE cities SET pop = f.by_what * 100 FROM factors f WHERE f.id = cities.id RETURNING cities.*, f.by_what, f.state, state;
UPDATE cities SET (name, note) = (SELECT f.state, 'n' || f.by_what FROM factors f WHERE f.id = cities.id) WHERE id = 4;
SELECT c.id, c.name, c.pop, c.note, f.state FROM cities c JOIN factors f USING (id) ORDER BY 1, 2;
-- expect error 42703
UPDATE cities SET state = 'x';
-- expect error 42703
UPDATE cities SET pop = 1 WHERE state = 'x';
-- error class
-- expect error 23514
UPDATE cities SET pop = -1 WHERE id = 6;
-- error class
-- expect error 23502
UPDATE cities SET name = NULL WHERE id = 7;
-- expect error 23505
UPDATE cities SET id = 1 WHERE id = 4;
-- expect error 22001
UPDATE cities SET note = 'much too long for twenty' WHERE id = 7;
UPDATE cities SET id = id + 100 WHERE id IN (2, 4, 6) RETURNING id, name;
SELECT * FROM visits ORDER BY n;
SELECT * FROM cities WHERE id > 100 ORDER BY id;
DELETE FROM cities WHERE id IN (1, 106) RETURNING *, tableoid::regclass;
SELECT * FROM visits ORDER BY n;
DELETE FROM ONLY cities WHERE id IN (3, 7);
DELETE FROM cities USING factors f WHERE f.id = cities.id AND f.by_what = 4 RETURNING cities.name, f.*;
SELECT *, tableoid::regclass FROM cities ORDER BY id, name;
-- a child without a key
SELECT * FROM ruins;
INSERT INTO ruins VALUES (91, 'ruin2', 9, 'r', 1300);
-- expect refused 0A000
UPDATE cities SET note = 'all';
-- expect refused 0A000
DELETE FROM cities WHERE id = 90 RETURNING id;
-- expect refused 0A000
DELETE FROM ruins;
SELECT * FROM cities WHERE note = 'r' ORDER BY id;
-- views
UPDATE big SET people = people + 5 WHERE id IN (7, 10) RETURNING *;
-- expect error 44000
UPDATE big SET people = 2 WHERE id = 7;
UPDATE own SET name = 'own' RETURNING *;
SELECT * FROM big ORDER BY id, name;
SELECT * FROM own ORDER BY id;
DELETE FROM big WHERE id = 7;
-- under WITH
WITH moved AS (UPDATE cities SET note = 'w' WHERE id < 90 RETURNING id, note, tableoid::regclass AS t), gone AS (DELETE FROM factors RETURNING id)
SELECT m.*, (SELECT count(*) FROM gone) FROM moved m ORDER BY id, t;
WITH c AS (DELETE FROM cities WHERE id = 11) INSERT INTO factors SELECT id, pop, name FROM cities WHERE id < 12 RETURNING *;
SELECT * FROM factors ORDER BY id;
-- joins, locks, cursors
SELECT a.id, b.name FROM cities a LEFT JOIN capitals b ON a.id = b.id ORDER BY 1, 2;
SELECT name FROM cities WHERE id = 102 FOR UPDATE;
SELECT count(*) FROM cities;
SELECT count(*) FROM (SELECT name FROM cities FOR UPDATE SKIP LOCKED) q;
SELECT id FROM cities c WHERE EXISTS (SELECT FROM ports p WHERE p.id = c.id) ORDER BY 1;
SELECT id, name, pop FROM cities GROUP BY id, name, pop ORDER BY 1, 2;
SELECT id, name, pop FROM ONLY cities GROUP BY id ORDER BY 1;
COPY cities FROM STDIN;
200	copied	2	\N
\.
COPY cities TO STDOUT;
COPY capitals (id, name, state) TO STDOUT;
MERGE INTO cities USING factors f ON cities.id = f.id WHEN MATCHED THEN DELETE;
MERGE INTO ONLY capitals c USING (VALUES (104, 'MM'), (300, 'NN')) v(id, s) ON c.id = v.id WHEN MATCHED THEN UPDATE SET state = s WHEN NOT MATCHED THEN INSERT (id, name, state) VALUES (v.id, 'merged', s);
INSERT INTO capitals (id, name, state) VALUES (300, 'again', 'OO') ON CONFLICT (id) DO UPDATE SET name = excluded.name || capitals.name RETURNING *;
-- expect error 23505
INSERT INTO capitals (id, name, state) VALUES (301, 'twice', 'NN');
BEGIN;
TRUNCATE ONLY ports;
SELECT count(*) FROM ports;
TRUNCATE ports;
SELECT count(*) FROM ports;
SELECT *, tableoid::regclass FROM cities WHERE id < 90 ORDER BY 1, 2;
ROLLBACK;
TRUNCATE ports;
INSERT INTO harbours (id, name, depth, berth) VALUES (6, 'harbour', 2, 5);
SELECT *, tableoid::regclass FROM cities ORDER BY id, name;
SELECT c.*, c.tableoid = 'harbours'::regclass AS h FROM cities c WHERE id = 6;
-- a child's row as its parent's
INSERT INTO capitals VALUES (70, 'Seventy', 100, 'cap', 'SE');
SELECT named(capitals.*), shouted(c), capitals::cities FROM capitals, capitals c WHERE capitals.id = 70 AND c.id = 70;
SELECT c::capitals::cities, (c::cities).name FROM capitals c WHERE id = 70;
SELECT named(h), named(h.*) FROM harbours h ORDER BY 1;
