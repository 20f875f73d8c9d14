-- setup
-- shows: statements: temporary partitioned and inherited tables, temporary views of temporary tables
-- differs: functions that read tables, in temporary views and in defaults, checks and indexes of temporary tables | 0A000 | they would run unseen once the session has changed what they read
-- differs: temporary views of production's tables | 0A000 | a view keeps what it reads from being altered; write its query under WITH
CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 7);
CREATE VIEW tv AS SELECT * FROM t;
INSERT INTO t SELECT n, 'v' || n, n FROM generate_series(1, 6) n;
CREATE TABLE counted (id int PRIMARY KEY);
CREATE FUNCTION how_many() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM counted); END';
CREATE TABLE tallied (id int PRIMARY KEY, n bigint DEFAULT how_many());
CREATE TABLE looked (id int PRIMARY KEY CHECK (how_many() > id));
CREATE SEQUENCE steps;
CREATE TABLE plain (id int CHECK (id > 0), at text DEFAULT lower('A') || 1, step bigint DEFAULT nextval('steps'), day date DEFAULT '2026-01-01'::date);
-- script
-- origins differ
SELECT how_many();
-- expect refused 0A000
CREATE TEMP VIEW later AS SELECT how_many();
-- expect refused 0A000
CREATE TEMP TABLE later (n bigint DEFAULT how_many(), CHECK (n = how_many()));
CREATE TEMP TABLE at_once AS SELECT how_many() AS n;
SELECT * FROM at_once;
CREATE TEMP VIEW harmless AS SELECT n, upper(n::text), now() > 'epoch' AS late FROM at_once;
SELECT * FROM harmless;
UPDATE t SET v = 'changed' WHERE id = 1;
CREATE TEMP TABLE parts (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TEMP TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (4);
CREATE TEMP TABLE parts_high PARTITION OF parts (v DEFAULT 'high') FOR VALUES FROM (4) TO (1 + 99);
INSERT INTO parts SELECT id, n, v FROM t;
-- expect error 23514
-- error class
INSERT INTO parts VALUES (1, 1000, 'x');
UPDATE parts SET k = k + 2 WHERE id = 3 RETURNING *;
SELECT * FROM parts_high ORDER BY id;
SELECT count(*) FROM parts_low;
WITH gone AS (DELETE FROM parts WHERE id > 5 RETURNING *) INSERT INTO t SELECT id + 100, v, k FROM gone RETURNING *;
CREATE TEMP TABLE hashed (a text, b int) PARTITION BY HASH (lower(a), b);
CREATE TEMP TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO hashed SELECT v, id FROM t;
SELECT count(*) FROM hashed_0;
CREATE TEMP TABLE listed (a text) PARTITION BY LIST (a);
CREATE TEMP TABLE listed_a PARTITION OF listed FOR VALUES IN ('a', upper('b'));
CREATE TEMP TABLE listed_rest PARTITION OF listed DEFAULT;
INSERT INTO listed VALUES ('a'), ('B'), ('c');
SELECT * FROM listed_a ORDER BY 1;
CREATE TEMP TABLE parent (id int, v text CHECK (v <> ''));
CREATE TEMP TABLE child (w int DEFAULT 3) INHERITS (parent);
INSERT INTO child (id, v) SELECT id, v FROM t WHERE id < 3;
INSERT INTO parent VALUES (1, 'own');
UPDATE parent SET v = v || '!' RETURNING *;
SELECT * FROM ONLY parent;
SELECT p.id, t.v, p.v FROM parent p JOIN t USING (id) ORDER BY 1, 3;
-- expect error 23514
-- error class
INSERT INTO child (id, v) VALUES (5, '');
-- expect error 42P01
CREATE TEMP TABLE lost (w int) INHERITS (nowhere);
-- expect refused 0A000
CREATE TEMP TABLE mine (w int) INHERITS (t);
-- expect refused 0A000
CREATE TEMP TABLE mine (w int) INHERITS (parent, t);
-- views
CREATE TEMP VIEW both_of AS SELECT p.id, p.v, h.b FROM parent p LEFT JOIN hashed h ON h.b = p.id;
SELECT * FROM both_of ORDER BY 1, 2;
CREATE OR REPLACE TEMPORARY VIEW simple (k, label) AS SELECT id, upper(v) FROM pg_temp.parent WHERE id > 0;
SELECT s.k, s.label, t.v FROM simple s JOIN t ON t.id = s.k ORDER BY 1, 2;
CREATE TEMP VIEW nested AS SELECT k, count(*) FROM simple GROUP BY k;
SELECT * FROM nested ORDER BY 1;
CREATE TEMP VIEW written AS SELECT id, v FROM child WITH CHECK OPTION;
INSERT INTO written VALUES (9, 'through the view') RETURNING *;
UPDATE written SET v = v || '?' WHERE id = 9;
WITH a AS (DELETE FROM written WHERE id = 9 RETURNING *) INSERT INTO t SELECT id, v FROM a RETURNING *;
INSERT INTO t SELECT k + 200, label FROM simple WHERE k = 2 RETURNING *;
CREATE TEMP VIEW constants AS VALUES (1, 'one'), (2, 'two');
SELECT * FROM constants ORDER BY 1;
ALTER VIEW constants RENAME TO fixed;
SELECT * FROM fixed ORDER BY 1;
-- a view of the name of a table
CREATE TEMP VIEW t AS SELECT * FROM parent;
SELECT * FROM t ORDER BY 1, 2;
DROP VIEW t;
SELECT * FROM t ORDER BY id;
-- expect refused 0A000
CREATE TEMP VIEW of_base AS SELECT * FROM t;
-- expect refused 0A000
CREATE TEMP VIEW of_view AS SELECT * FROM parent JOIN tv USING (id);
-- expect refused 0A000
CREATE TEMP VIEW of_subquery AS SELECT * FROM parent WHERE id IN (SELECT id FROM t);
-- expect refused 0A000
DROP VIEW tv;
-- expect error 42P01
CREATE TEMP VIEW lost AS SELECT * FROM nowhere;
DROP VIEW nested, simple;
-- expect error 42P01
SELECT * FROM simple;
BEGIN;
CREATE TEMP VIEW later AS SELECT 1 AS a;
SELECT * FROM later;
ROLLBACK;
-- expect error 42P01
SELECT * FROM later;
DROP TABLE parts, listed;
DROP TABLE parent CASCADE;
SELECT * FROM t ORDER BY id;
-- What LIKE copies is kept as well.
-- expect refused 0A000
CREATE TEMP TABLE alike (LIKE tallied INCLUDING DEFAULTS);
CREATE TEMP TABLE alike (LIKE tallied);
CREATE TEMP TABLE alike2 (LIKE t INCLUDING ALL);
-- expect refused 0A000
CREATE TEMP TABLE alike3 (LIKE looked INCLUDING CONSTRAINTS);
CREATE TEMP TABLE alike4 (LIKE plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
INSERT INTO alike4 (id) VALUES (3);
SELECT * FROM alike4;
