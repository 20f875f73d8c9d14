-- shows: queries: how often a volatile function among conditions is called
-- setup
CREATE SEQUENCE s;
CREATE TABLE t (id int PRIMARY KEY, v int, w int);
CREATE INDEX ON t (v);
INSERT INTO t SELECT g, g, g FROM generate_series(1, 40) g;
CREATE VIEW positive AS SELECT id, v FROM t WHERE v > 0 AND nextval('s') > 0;
CREATE VIEW numbered AS SELECT id, nextval('s') AS n FROM t;
CREATE VIEW again AS SELECT id, n FROM numbered;
CREATE TABLE tree (id int PRIMARY KEY, v int);
CREATE TABLE leaf (PRIMARY KEY (id)) INHERITS (tree);
INSERT INTO tree VALUES (1, 1), (2, 2);
INSERT INTO leaf VALUES (11, 1), (12, 2);
CREATE TABLE plain (v int);
INSERT INTO plain VALUES (1), (2);
-- script
UPDATE t SET w = 0 WHERE id <= 20;
DELETE FROM t WHERE id = 20;
-- the row stands in the base and in the head: it is asked once
UPDATE t SET w = w + 1 WHERE id = 2 AND nextval('s') > 0 RETURNING w;
SELECT nextval('s');
UPDATE t SET w = w + 1 WHERE t.id IN (3, 4) AND v < 100 AND nextval('s') > 0;
SELECT nextval('s');
UPDATE t SET w = 7 WHERE id = 5 AND v < nextval('s');
SELECT nextval('s');
DELETE FROM t WHERE id = 6 AND nextval('s') > 0;
SELECT nextval('s');
-- a row that the draft removed is not asked
DELETE FROM t WHERE id = 20 AND nextval('s') > 0;
SELECT nextval('s');
SELECT v FROM t WHERE id = 7 AND nextval('s') > 0;
SELECT nextval('s');
SELECT count(*) FROM t WHERE v BETWEEN 1 AND 9 AND nextval('s') > 0;
SELECT nextval('s');
SELECT count(*) FROM t a JOIN t b ON a.id = b.id AND nextval('s') > 0 WHERE a.id = 8;
SELECT nextval('s');
SELECT v FROM t WHERE nextval('s') > 0 ORDER BY id LIMIT 3;
SELECT nextval('s');
SELECT * FROM (SELECT id, v FROM t) AS q WHERE id = 9 AND nextval('s') > 0;
SELECT nextval('s');
SELECT v FROM positive WHERE id = 10;
SELECT nextval('s');
UPDATE positive SET v = v WHERE id = 11;
SELECT nextval('s');
-- tables that others inherit from, and those without a key
UPDATE tree SET v = 5 WHERE id IN (1, 11);
SELECT id FROM tree WHERE id = 11 AND nextval('s') > 0;
SELECT nextval('s');
INSERT INTO plain VALUES (3);
SELECT count(*) FROM plain WHERE nextval('s') > 0;
SELECT nextval('s');
-- in a view behind a row of several columns: it would be called for each of them
-- expect refused 0A000
UPDATE t SET (v, w) = (SELECT n, n FROM numbered WHERE id = 1) WHERE id = 1;
-- expect refused 0A000
UPDATE t SET (v, w) = (SELECT n, n FROM again WHERE id = 1) WHERE id = 1;
-- expect refused 0A000
UPDATE tree SET v = n FROM again WHERE again.id = 1;
UPDATE t SET v = (SELECT n FROM again WHERE id = 12) WHERE id = 12;
WITH a AS MATERIALIZED (SELECT n FROM again WHERE id = 13)
UPDATE t SET (v, w) = (SELECT n, n FROM a) WHERE id = 13;
SELECT id, v, w FROM t ORDER BY id;
