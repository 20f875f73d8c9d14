-- setup
-- shows: protocol: EXECUTE after search_path moved: the other tables, or refused where their columns are others
CREATE SCHEMA here;
CREATE SCHEMA there;
CREATE TABLE here.thing (id int PRIMARY KEY, v text, n int DEFAULT 1);
CREATE TABLE there.thing (id int PRIMARY KEY, v varchar(20), w text);
CREATE TABLE here.alike (id int PRIMARY KEY, v text);
CREATE TABLE there.alike (id int PRIMARY KEY, v text);
INSERT INTO here.thing VALUES (1, 'here');
INSERT INTO there.thing VALUES (1, 'there');
INSERT INTO here.alike VALUES (1, 'here');
INSERT INTO there.alike VALUES (1, 'there');
-- script
SET search_path = here;
PREPARE all_of AS SELECT * FROM thing ORDER BY id;
PREPARE ids AS SELECT id FROM thing ORDER BY id;
PREPARE alike AS SELECT * FROM alike ORDER BY id;
PREPARE adds (int, text) AS INSERT INTO thing (id, v) VALUES ($1, $2);
PREPARE adds_told (int, text) AS INSERT INTO thing (id, v) VALUES ($1, $2) RETURNING *;
PREPARE counts AS SELECT count(*) FROM thing;
EXECUTE all_of;
EXECUTE adds (2, 'two');
EXECUTE all_of;
EXECUTE ids;
EXECUTE alike;
-- from a table that the draft changed to one that it did not
SET search_path = there;
-- expect error 0A000
EXECUTE all_of;
EXECUTE ids;
EXECUTE alike;
EXECUTE counts;
-- expect error 0A000
EXECUTE adds_told (3, 'three');
SELECT * FROM here.thing ORDER BY id;
EXECUTE adds (3, 'three');
-- both are changed
-- expect error 0A000
EXECUTE all_of;
EXECUTE ids;
EXECUTE counts;
-- expect error 0A000
EXECUTE adds_told (4, 'four');
SET search_path = here;
EXECUTE all_of;
EXECUTE adds_told (4, 'four');
EXECUTE ids;
SELECT * FROM here.thing ORDER BY id;
SELECT * FROM there.thing ORDER BY id;
-- prepared over a table that nothing changed yet, and run where the draft did
UPDATE alike SET v = 'changed';
EXECUTE alike;
SET search_path = there;
EXECUTE alike;
UPDATE alike SET v = 'changed too';
EXECUTE alike;
PREPARE fresh AS SELECT * FROM thing ORDER BY id;
SET search_path = here, there;
-- expect error 0A000
EXECUTE fresh;
-- expect error 0A000
EXECUTE fresh;
SET search_path = there, here;
EXECUTE fresh;
BEGIN;
SET LOCAL search_path = here;
-- expect error 0A000
EXECUTE fresh;
ROLLBACK;
EXECUTE fresh;
-- a temporary table that hides it
CREATE TEMPORARY TABLE alike (id int, v text, more int);
-- expect error 0A000
EXECUTE alike;
DROP TABLE pg_temp.alike;
EXECUTE alike;
DEALLOCATE all_of;
-- expect error 26000
EXECUTE all_of;
