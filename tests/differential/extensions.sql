-- setup
-- shows: types: functions, operators and types of the extensions that come with PostgreSQL: pgcrypto, uuid-ossp, citext, hstore, ltree, pg_trgm, intarray, unaccent, tablefunc, btree_gist, fuzzystrmatch, cube, earthdistance
CREATE EXTENSION pgcrypto; CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
CREATE EXTENSION pg_trgm; CREATE EXTENSION intarray; CREATE EXTENSION unaccent; CREATE EXTENSION tablefunc; CREATE EXTENSION btree_gist;
CREATE EXTENSION fuzzystrmatch; CREATE EXTENSION cube; CREATE EXTENSION earthdistance;
CREATE TABLE things (id serial PRIMARY KEY, mail citext UNIQUE, tags hstore, path ltree, numbers int[], place cube, code uuid DEFAULT uuid_generate_v4());
INSERT INTO things (mail, tags, path, numbers, place) VALUES ('Ann@x.org', 'a=>1,b=>2', 'top.a', '{1,2,3}', '(1,2)'), ('bob@x.org', 'c=>3', 'top.b.c', '{4,5}', '(3,4)');
CREATE FUNCTION now_utc() RETURNS timestamp LANGUAGE sql AS $$ SELECT now() AT TIME ZONE 'utc' $$;
CREATE FUNCTION slug(v text, apart text DEFAULT '-') RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN regexp_replace(lower(unaccent(v)), '[^a-z0-9]+', apart, 'g'); END $$;
CREATE FUNCTION twice(v int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE r int; BEGIN r := v * 2; IF r > 100 THEN RAISE EXCEPTION 'too much'; END IF; RETURN r; END $$;
CREATE FUNCTION twice(v text) RETURNS text LANGUAGE sql AS $$ SELECT v || v $$;
CREATE FUNCTION total(VARIADIC v int[]) RETURNS bigint LANGUAGE sql AS $$ SELECT sum(x) FROM unnest(v) x $$;
CREATE TABLE rates (id int PRIMARY KEY, v numeric);
INSERT INTO rates VALUES (1, 2), (2, 3);
CREATE FUNCTION rate(n int) RETURNS numeric LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT v FROM rates WHERE id = n); END $$;
CREATE FUNCTION bump(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE rates SET v = v + 1 WHERE id = n; END $$;
CREATE FUNCTION dynamic(n int) RETURNS numeric LANGUAGE plpgsql AS $$ DECLARE r numeric; BEGIN EXECUTE 'SELECT v FROM ra' || 'tes WHERE id = $1' INTO r USING n; RETURN r; END $$;
CREATE FUNCTION owners(n int) RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN n; END $$;
-- script
UPDATE things SET numbers = numbers + 6 WHERE mail = 'ANN@X.ORG' RETURNING id, mail, numbers;
SELECT encode(digest('a', 'sha256'), 'hex'), encode(hmac('a', 'k', 'md5'), 'hex');
SELECT length(gen_salt('bf')), crypt('p', crypt('p', gen_salt('bf', 4))) IS NOT NULL;
SELECT length(gen_random_bytes(5)), gen_random_uuid() IS NOT NULL;
SELECT pgp_sym_decrypt(pgp_sym_encrypt('secret', 'k'), 'k');
SELECT uuid_generate_v4() <> uuid_generate_v4(), uuid_generate_v1() IS NOT NULL, uuid_generate_v5(uuid_ns_url(), 'x'), uuid_nil();
INSERT INTO things (id, mail, code) VALUES (10, 'Cid@x.org', uuid_generate_v5(uuid_ns_dns(), 'cid')) RETURNING mail, code;
-- values vary
INSERT INTO things (id, mail) VALUES (11, 'dan@x.org') RETURNING code;
UPDATE things SET code = uuid_nil();
-- expect error 23505
INSERT INTO things (id, mail) VALUES (12, 'DAN@x.org');
SELECT mail, mail = 'CID@X.ORG', mail LIKE 'c%', replace(mail, 'CID', 'x'), regexp_replace(mail, 'CID', 'y') FROM things ORDER BY id;
SELECT tags -> 'a', tags ? 'b', akeys(tags), tags || 'z=>9', delete(tags, 'a'), hstore_to_json(tags), tags @> 'a=>1' FROM things WHERE tags IS NOT NULL ORDER BY id;
SELECT k, v FROM things, each(tags) AS e(k, v) ORDER BY 1;
UPDATE things SET tags = tags || hstore('n', 'new') WHERE id = 1 RETURNING tags;
-- expect refused 0A000
UPDATE things SET tags['n'] = 'newer' WHERE id = 1 RETURNING tags;
SELECT path, nlevel(path), subpath(path, 1), path <@ 'top', path ~ 'top.*{1}', path || 'x'::text, lca(path, 'top.b') FROM things WHERE path IS NOT NULL ORDER BY id;
SELECT similarity('word', 'words'), show_trgm('ab'), 'word' % 'words', 'word' <-> 'words', word_similarity('a', 'ab'), show_limit();
SELECT id FROM things WHERE mail::text % 'ann@x' ORDER BY mail::text <-> 'ann', id;
SELECT sort(numbers), uniq(numbers), numbers & '{2}', numbers @@ '2|4'::query_int, idx(numbers, 2), icount(numbers) FROM things WHERE numbers IS NOT NULL ORDER BY id;
SELECT unaccent('Hôtel'), unaccent('unaccent', 'é');
SELECT levenshtein('kitten', 'sitting'), soundex('Anne'), metaphone('Thompson', 4), dmetaphone('Smith'), difference('a', 'b');
SELECT place, cube_dim(place), cube_distance(place, '(0,0)'), place <-> '(0,0)', place @> '(1,2)' FROM things WHERE place IS NOT NULL ORDER BY id;
SELECT earth_distance(ll_to_earth(52, 13), ll_to_earth(48, 11))::int, earth()::int, latitude(ll_to_earth(10, 20))::int, (point(1, 2) <@> point(3, 4))::int;
SELECT count(*) FROM normal_rand(5, 1, 1);
-- expect refused 0A000
SELECT * FROM crosstab('SELECT 1, 1, 1') AS t(a int, b int);
SELECT now_utc() IS NOT NULL, slug('Hôtel du Nord'), slug('a b', '_'), slug(apart => '+', v => 'c d'), twice(4), twice('ab'), total(1, 2, 3), total(VARIADIC ARRAY[4, 5]);
SELECT * FROM generate_series(1, total(1, 2)) g ORDER BY 1;
INSERT INTO rates SELECT twice(n), total(n, 1) FROM generate_series(5, 7) n;
UPDATE rates SET v = twice(id) WHERE id > 9 RETURNING id, v, slug('A ' || id);
DELETE FROM rates WHERE id = twice(6) RETURNING twice(id);
-- expect error P0001
SELECT twice(id * 100) FROM rates WHERE id = 1;
COPY (SELECT id, twice(id), slug('x y') FROM rates ORDER BY id) TO STDOUT;
-- expect refused 0A000
SELECT rate(1);
-- expect refused 0A000
SELECT bump(1);
-- expect refused 0A000
SELECT dynamic(1);
-- expect refused 0A000
SELECT owners(1);
