-- setup
-- shows: types: domains whose checks call functions with the rights of the caller
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'a'), (2, 'b');
CREATE FUNCTION wipe(int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM t; RETURN true; END $$;
CREATE FUNCTION hidden(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN wipe($1); END $$;
CREATE DOMAIN evild AS int CHECK (wipe(VALUE));
CREATE DOMAIN indirect AS int CHECK (hidden(VALUE));
CREATE TYPE pair AS (a int, b evild);
CREATE FUNCTION takes(evild) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE TABLE stored (id int PRIMARY KEY, e evild);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE, e evild);
CREATE TYPE source AS (n int);
CREATE FUNCTION converts(source) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM t; RETURN 1; END $$;
CREATE CAST (source AS int) WITH FUNCTION converts(source) AS IMPLICIT;
CREATE TYPE sink AS (n int);
CREATE FUNCTION into_sink(int) RETURNS sink LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM t; RETURN ROW(1)::sink; END $$;
CREATE CAST (int AS sink) WITH FUNCTION into_sink(int) AS ASSIGNMENT;
CREATE TABLE kept (id int PRIMARY KEY, s sink);
CREATE FUNCTION apart(int, int) RETURNS double precision LANGUAGE sql IMMUTABLE SECURITY DEFINER AS 'SELECT 1.0::float8';
CREATE TYPE span AS RANGE (subtype = int, subtype_diff = apart);
CREATE FUNCTION pure_lie() RETURNS int LANGUAGE sql IMMUTABLE SECURITY DEFINER AS 'SELECT 1';
CREATE VIEW casts AS SELECT v::int::evild::int AS n FROM t WHERE v ~ '^[0-9]';
CREATE DOMAIN good AS int CHECK (VALUE > 0);
CREATE FUNCTION positive(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 > 0';
CREATE DOMAIN fine AS int CHECK (positive(VALUE));
CREATE TABLE honest (id int PRIMARY KEY, g good, f fine);
-- script
UPDATE t SET v = 'c' WHERE id = 1;
-- What a domain's check calls.
-- expect refused 0A000
SELECT '1'::evild;
-- expect refused 0A000
SELECT evild '1';
-- expect refused 0A000
SELECT id::"evild" FROM t;
-- expect refused 0A000
SELECT 1::U&"\0065vild";
-- expect refused 0A000
SELECT ARRAY[1]::evild[];
-- expect refused 0A000
SELECT '{1}'::_evild;
-- expect refused 0A000
SELECT '(1,2)'::pair;
-- expect refused 0A000
SELECT * FROM json_to_record('{"a":1}') AS r(a evild);
-- expect refused 0A000
SELECT * FROM ROWS FROM (json_to_record('{"a":1}') AS (a evild)) AS r;
-- expect refused 0A000
SELECT * FROM xmltable('/r' PASSING ('<r><b>1</b></r>'::xml) COLUMNS b evild);
-- expect refused 0A000
CREATE TEMP TABLE mine (id evild);
-- expect refused 0A000
CREATE TEMP TABLE mine OF pair;
-- expect refused 0A000
PREPARE e(evild) AS SELECT $1;
-- expect refused 0A000
SELECT '1'::indirect;
-- expect refused 0A000
SELECT takes(1);
-- expect refused 0A000
SELECT domain_in('1'::cstring, 'ev' || 'ild', -1);
-- expect refused 0A000
SELECT array_in('{1}'::cstring, 23, -1);
-- expect refused 0A000
INSERT INTO stored VALUES (1, 1);
-- expect refused 0A000
SELECT array_append(array_agg(e), '1') FROM stored;
-- expect refused 0A000
UPDATE parent SET id = 2;
-- expect refused 0A000
SELECT * FROM casts;
-- Casts.
-- expect refused 0A000
SELECT (ROW(1)::source)::int;
-- expect refused 0A000
INSERT INTO kept VALUES (1, 1);
-- expect refused 0A000
SELECT 1::sink;
-- Ranges, and functions that say they are immutable.
-- expect refused 0A000
SELECT '[1,2)'::span;
-- expect refused 0A000
SELECT pure_lie();
-- Honest domains go on.
INSERT INTO honest VALUES (1, 1, 1);
SELECT id::good, id::fine FROM honest;
SELECT * FROM t ORDER BY id;
