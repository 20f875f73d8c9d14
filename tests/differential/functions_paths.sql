-- setup
-- shows: statements: functions in SQL that read, with a search_path of their own: empty, that of the caller
-- needs: PostgreSQL 14
CREATE TABLE team (id int PRIMARY KEY, name text NOT NULL);
CREATE SCHEMA app;
CREATE TABLE app.team (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO team VALUES (1, 'one'), (2, 'two');
INSERT INTO app.team VALUES (1, 'app one');
CREATE FUNCTION empty_path(who int) RETURNS text LANGUAGE sql STABLE SET search_path = '' AS 'SELECT upper(name) FROM public.team WHERE id = who';
CREATE FUNCTION catalog_path(int) RETURNS text LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS 'SELECT t.name FROM public.team t WHERE t.id = $1';
CREATE FUNCTION own_path(who int) RETURNS SETOF team LANGUAGE sql STABLE SET search_path = public, pg_temp AS 'SELECT * FROM team WHERE id >= who ORDER BY id';
CREATE FUNCTION app_path(who int) RETURNS text LANGUAGE sql STABLE SET search_path = app AS 'SELECT name FROM team WHERE id = who';
CREATE FUNCTION by_caller(who int) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM team WHERE id = who';
CREATE FUNCTION nested(who int) RETURNS text LANGUAGE sql STABLE SET search_path = '' AS 'SELECT public.empty_path(who) || public.catalog_path(who)';
CREATE FUNCTION nested_own(who int) RETURNS text LANGUAGE sql STABLE SET search_path = '' AS 'SELECT string_agg(t.name, '','' ORDER BY t.id) FROM public.own_path(who) t';
CREATE FUNCTION astray(who int) RETURNS text LANGUAGE sql STABLE SET search_path = '' AS 'SELECT public.by_caller(who)';
CREATE FUNCTION initcap(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''shadow''';
CREATE FUNCTION shadowed(who int) RETURNS text LANGUAGE sql STABLE SET search_path = '' AS 'SELECT initcap(name) FROM public.team WHERE id = who';
CREATE FUNCTION other_setting(who int) RETURNS text LANGUAGE sql STABLE SET search_path = '' SET timezone = 'UTC' AS 'SELECT name FROM public.team WHERE id = who';
-- script
SELECT empty_path(1), catalog_path(2), own_path(2), app_path(1), by_caller(1), nested(1), nested_own(1), shadowed(2), other_setting(2);
UPDATE team SET name = name || '!' WHERE id = 1;
INSERT INTO team VALUES (3, 'three');
SELECT empty_path(1), catalog_path(3), catalog_path(NULL), empty_path(99), nested(3), nested_own(2);
SELECT * FROM own_path(2);
SELECT t.id, empty_path(t.id), o.name FROM team t, own_path(t.id) o WHERE o.id < 3 ORDER BY 1, 3;
INSERT INTO team VALUES (4, empty_path(3)) RETURNING catalog_path(id), nested(1);
WITH team AS (SELECT 3 AS id) SELECT empty_path(id), nested_own(id) FROM team;
-- under another path, and with names that the caller's path finds elsewhere
-- expect refused 0A000
SELECT app_path(1);
-- expect refused 0A000
SELECT shadowed(1);
-- expect refused 0A000
SELECT other_setting(1);
-- expect error 42P01
SELECT astray(1);
SET search_path = app, public;
SELECT empty_path(1), nested(3);
-- expect refused 0A000
SELECT * FROM own_path(1);
SET search_path = app;
SELECT public.empty_path(1), public.app_path(1);
UPDATE team SET name = 'changed';
SELECT public.app_path(1), public.nested(1);
