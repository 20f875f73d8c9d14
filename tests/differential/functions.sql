-- setup
-- shows: queries: functions, those of the user too where the configuration allows them
CREATE TABLE t (id int PRIMARY KEY, s text, n numeric, d date);
CREATE FUNCTION add_one(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + 1';
CREATE AGGREGATE product(int) (sfunc = int4mul, stype = int, initcond = 1);
CREATE FUNCTION later(a anyelement, b anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT b';
CREATE AGGREGATE last_of(anyelement) (sfunc = later, stype = anyelement);
CREATE FUNCTION seen(bigint, int) RETURNS bigint LANGUAGE sql AS 'SELECT $1 + (SELECT count(*) FROM t)';
CREATE AGGREGATE all_seen(int) (sfunc = seen, stype = bigint, initcond = '0');
INSERT INTO t VALUES (1, 'Abc', 1.25, '2024-01-31'), (2, 'dé f', -2.5, '2024-02-29'), (3, NULL, NULL, NULL);
-- each calls all of the next storey: there are more ways down than can be gone
DO $$ BEGIN
    FOR i IN 1..7 LOOP
        FOR k IN 1..10 LOOP
            EXECUTE format('CREATE FUNCTION storey_%s_%s(n int) RETURNS int LANGUAGE plpgsql AS %L', i, k,
                'BEGIN IF n > 0 THEN RETURN 0'
                || coalesce((SELECT string_agg(format(' + storey_%s_%s(n)', i + 1, j), '') FROM generate_series(1, 10) j WHERE i < 7), '')
                || '; END IF; RETURN 1; END');
        END LOOP;
    END LOOP;
END $$;
-- script
UPDATE t SET s = s || ' ' WHERE id = 1;
SELECT upper(s), lower(s), length(s), trim(s), substring(s FROM 2 FOR 2), position('b' IN s), overlay(s PLACING 'X' FROM 1), left(s, 1), replace(s, 'A', 'Z'), md5(s), initcap(s) FROM t ORDER BY id;
SELECT round(n), ceil(n), floor(n), abs(n), n % 2, power(n, 2), greatest(n, 0), least(n, 0), trunc(n, 1), sign(n) FROM t ORDER BY id;
SELECT extract(year FROM d), date_part('doy', d), d + 1, d - date '2024-01-01', to_char(d, 'DD.MM.YYYY'), d::timestamp, (d + interval '1 month')::date FROM t ORDER BY id;
SELECT coalesce(s, 'none'), format('%s-%I-%L', id, coalesce(s, 'Q q'), s), concat_ws(',', id, s, n), regexp_replace(coalesce(s, ''), '[a-z]', '#', 'g'), split_part(s, ' ', 1) FROM t ORDER BY id;
SELECT cast(n AS int), n::text || '!', id::bigint, s::varchar(2), ('{' || id || '}')::int[] FROM t ORDER BY id;
SELECT generate_series(1, id) AS g, id FROM t ORDER BY id, g;
SELECT id, g FROM t CROSS JOIN generate_series(1, id) g ORDER BY 1, 2;
SELECT * FROM generate_series(1, 3) WITH ORDINALITY;
SELECT add_one(id), add_one(i => id) FROM t ORDER BY id;
SELECT id FROM t WHERE add_one(id) = 3;
SELECT s IS NULL, n IS NOT NULL, (id = 1) IS TRUE, (n > 0) IS UNKNOWN, id IN (1, 2), id BETWEEN SYMMETRIC 3 AND 2, s LIKE 'A%', s SIMILAR TO '%(b|f)%' FROM t ORDER BY id;
SELECT id, x FROM t, LATERAL (VALUES (1), (2)) v (x) WHERE x <= id ORDER BY 1, 2;
SELECT ROW(id, s), ARRAY[id, id + 1], (ARRAY[id])[1], ROW(1, 2) = ROW(id, 2) FROM t ORDER BY id;
SELECT E'tab\tnew\nline\\ \x41', U&'\0041', 'it''s', $q$dollar 'quote'$q$, B'101', X'1F', 1e3, .5;
SELECT current_date = now()::date, pg_typeof(now()), localtimestamp IS NOT NULL, current_user = session_user;
SELECT -id AS neg, +id, id ^ 2, id % 2, id & 1, id | 4, ~id, id << 1, @ -5, |/ 16 FROM t ORDER BY id;
SELECT product(id), product(add_one(id)) FROM t;
SELECT storey_1_1(0);
-- an aggregate of functions that write nothing and read nothing changed
SELECT last_of(s ORDER BY id), last_of(id ORDER BY id DESC) FROM t;
-- expect refused 0A000
SELECT all_seen(id) FROM t;
