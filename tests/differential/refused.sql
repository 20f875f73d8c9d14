-- setup
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE nokey (a int, b text);
CREATE SEQUENCE sq;
CREATE FUNCTION touch() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$;
CREATE FUNCTION touched_after(int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM t; RETURN 1; END $$;
CREATE AGGREGATE sly(int) (sfunc = int4pl, stype = int, finalfunc = touched_after);
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM t;
INSERT INTO t VALUES (1, 'a');
INSERT INTO nokey VALUES (1, 'x');
-- script
INSERT INTO t VALUES (2, 'b');
-- expect refused 0A000
CREATE TABLE x (id int);
-- expect refused 0A000
DROP TABLE t;
-- expect refused 0A000
ALTER TABLE t ADD COLUMN w int;
-- expect refused 0A000
CREATE INDEX ON t (v);
-- expect refused 0A000
UPDATE nokey SET b = 'z';
SELECT * FROM nokey;
-- expect refused 0A000
DO $$ BEGIN DELETE FROM t; END $$;
-- expect refused 0A000
SELECT touch();
-- What an aggregate is made of counts.
-- expect refused 0A000
SELECT sly(id) FROM t;
-- expect refused 0A000
SELECT sly(id) OVER () FROM t;
-- expect refused 0A000
CREATE TABLE y AS SELECT * FROM t;
-- expect refused 0A000
SELECT * INTO z FROM t;
-- expect refused 0A000
GRANT ALL ON t TO PUBLIC;
-- expect refused 0A000
VACUUM t;
-- expect refused 0A000
REFRESH MATERIALIZED VIEW mv;
-- expect refused 0A000
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
-- expect refused 0A000
SELECT pg_terminate_backend(1);
-- expect refused 0A000
SELECT lo_create(0);
-- expect refused 0A000
SELECT query_to_xml('SELECT 1', true, true, '');
-- expect refused 0A000
SELECT * FROM t WHERE pg_read_file('/etc/passwd') IS NOT NULL;
-- expect refused 0A000
COMMENT ON TABLE t IS 'x';
SELECT * FROM t ORDER BY id;
