-- setup
-- shows: statements: functions that read what the draft changed behind an operator, a view, an aggregate, a cast, a domain, a default, a CHECK or another function
-- needs: PostgreSQL 14
CREATE TABLE rates (id int PRIMARY KEY, rate int);
INSERT INTO rates VALUES (1, 10), (2, 20), (3, 30);
CREATE TABLE other (id int PRIMARY KEY, v int);
INSERT INTO other VALUES (1, 1), (2, 2);
CREATE FUNCTION rate_of(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT r.rate FROM rates r WHERE r.id = $1); END';
CREATE FUNCTION adds_rate(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + (SELECT r.rate FROM rates r WHERE r.id = $2); END';
CREATE OPERATOR public.!@ (rightarg = int, function = rate_of);
CREATE FUNCTION by_operator(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN !@ $1; END';
CREATE FUNCTION pure_by_operator(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN OPERATOR(public.!@) $1; END';
CREATE VIEW rated AS SELECT n, rate_of(n) AS rate FROM generate_series(1, 3) n;
CREATE FUNCTION by_view(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT r.rate FROM rated r WHERE r.n = $1); END';
CREATE FUNCTION pure_by_view(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT r.rate FROM rated r WHERE r.n = $1); END';
CREATE AGGREGATE rates_of(int) (sfunc = adds_rate, stype = int, initcond = 0);
CREATE FUNCTION by_aggregate() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT rates_of(v) FROM other); END';
CREATE FUNCTION by_text(what text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE n int; BEGIN EXECUTE 'SELECT sum(rate) FROM ' || what INTO n; RETURN n; END $$;
CREATE FUNCTION has_rate(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN EXISTS (SELECT FROM rates r WHERE r.id = $1); END';
CREATE DOMAIN rated_id AS int CHECK (has_rate(VALUE));
CREATE FUNCTION by_domain(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1::rated_id; END';
CREATE FUNCTION takes_domain(rated_id) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION by_argument(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN takes_domain($1); END';
CREATE FUNCTION by_default(n int DEFAULT rate_of(1)) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n; END';
CREATE TYPE wrapped AS (n int);
CREATE FUNCTION unwrap(wrapped) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT r.rate FROM rates r WHERE r.id = $1.n); END';
CREATE CAST (wrapped AS int) WITH FUNCTION unwrap(wrapped);
CREATE TABLE checked (id int PRIMARY KEY, rate_id int CHECK (has_rate(rate_id)));
CREATE TABLE defaulted (id int PRIMARY KEY, rate int DEFAULT rate_of(1), v int);
CREATE TABLE domained (id int PRIMARY KEY, r rated_id);
CREATE TABLE generated (id int PRIMARY KEY, rate int GENERATED ALWAYS AS (rate_of(id)) STORED, v int);
INSERT INTO checked VALUES (1, 1);
INSERT INTO defaulted (id) VALUES (1);
INSERT INTO domained VALUES (1, 1);
INSERT INTO generated (id) VALUES (1);
-- a function with its owner's rights behind one that says it is immutable
CREATE FUNCTION notes() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO other VALUES (99, 99); RETURN 1; END';
CREATE FUNCTION pure_notes() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN notes(); END';
-- circles, which read what nobody changes
CREATE FUNCTION even(n int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n = 0; END';
CREATE FUNCTION odd(n int) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN CASE WHEN n = 0 THEN false ELSE even(n - 1) END; END';
CREATE OR REPLACE FUNCTION even(n int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN CASE WHEN n = 0 THEN true ELSE odd(n - 1) END; END';
CREATE FUNCTION round_about(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
CREATE VIEW circled AS SELECT id, round_about(v) AS v FROM other;
CREATE OR REPLACE FUNCTION round_about(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN IF $1 > 1 THEN RETURN (SELECT c.v FROM circled c WHERE c.id = $1 - 1); END IF; RETURN $1; END';
CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + $2; END';
CREATE OPERATOR public.<+> (leftarg = int, rightarg = int, function = plus);
CREATE AGGREGATE plain_sum(int) (sfunc = plus, stype = int, initcond = 0);
CREATE FUNCTION honest(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1 <+> 1; END';
-- script
SELECT !@ 1, by_operator(2), pure_by_operator(3), by_view(1), pure_by_view(2), by_aggregate(), by_text('rates'), by_domain(1), by_argument(1), by_default(), (ROW(2)::wrapped)::int;
SELECT rates_of(v), plain_sum(v) FROM other;
SELECT even(4), odd(4), round_about(2), honest(1), 1 <+> 1;
INSERT INTO checked VALUES (2, 2);
INSERT INTO defaulted (id) VALUES (2);
INSERT INTO domained VALUES (2, 2);
INSERT INTO generated (id) VALUES (2);
UPDATE rates SET rate = rate + 1;
INSERT INTO rates VALUES (4, 40);
SELECT even(4), odd(4), round_about(2), honest(1), 1 <+> 1, plain_sum(v) FROM other;
-- expect refused 0A000
SELECT !@ 1;
-- expect refused 0A000
SELECT by_operator(2);
-- expect refused 0A000
SELECT pure_by_operator(3);
-- expect refused 0A000
SELECT by_view(1);
-- expect refused 0A000
SELECT pure_by_view(1);
-- expect refused 0A000
SELECT rates_of(v) FROM other;
-- expect refused 0A000
SELECT by_aggregate();
-- expect refused 0A000
SELECT by_text('rates');
-- expect refused 0A000
SELECT 4::rated_id;
-- expect refused 0A000
SELECT by_domain(4);
-- expect refused 0A000
SELECT by_argument(4);
-- expect refused 0A000
SELECT by_default();
-- expect refused 0A000
SELECT (ROW(2)::wrapped)::int;
-- expect refused 0A000
SELECT pure_notes();
-- what a table's own expressions read
-- expect refused 0A000
INSERT INTO checked VALUES (4, 4);
-- expect refused 0A000
INSERT INTO defaulted (id) VALUES (4);
-- expect refused 0A000
UPDATE defaulted SET rate = DEFAULT;
-- expect refused 0A000
INSERT INTO domained VALUES (4, 4);
-- expect refused 0A000
INSERT INTO generated (id) VALUES (3);
-- a default runs where it is taken
UPDATE defaulted SET v = 5 WHERE id = 2;
DELETE FROM defaulted WHERE id = 1;
-- a table with a column of such a type is not read either: a cast may stand anywhere
-- expect refused 0A000
SELECT * FROM domained;
SELECT * FROM checked c JOIN generated g USING (id) JOIN defaulted f USING (id) ORDER BY 1;
