-- setup
-- shows: tables: names with dots, spaces and quotes, tables that share a sequence, domains with NOT NULL and DEFAULT
-- differs: PostgreSQL 14, an UPDATE that moves a row of a partitioned table which others refer to | its ON UPDATE action, as 15 and later do; 14 runs the ON DELETE action | 14 is not developed any more
-- needs: PostgreSQL 15
-- shows: constraints: NOT VALID, EXCLUDE … WHERE, generated columns in keys and conditions, ON UPDATE CASCADE of a self reference
CREATE SCHEMA "Odd Schema";
CREATE SCHEMA "a.b";
CREATE TABLE "Odd Schema"."Ta""ble" ("I d" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "select" text DEFAULT 'x', "A.b" int CHECK ("A.b" > 0), UNIQUE ("select", "A.b"));
INSERT INTO "Odd Schema"."Ta""ble" ("select", "A.b") VALUES ('a', 1), ('b', 2), ('c', 3);
CREATE TABLE "a.b"."c.d" (id bigserial PRIMARY KEY, t text);
INSERT INTO "a.b"."c.d" (t) VALUES ('one'), ('two');
CREATE SEQUENCE shared START 100;
CREATE TABLE s1 (id int PRIMARY KEY DEFAULT nextval('shared'), v text);
CREATE TABLE s2 (id int PRIMARY KEY DEFAULT nextval('shared'), v text);
INSERT INTO s1 (v) VALUES ('a'), ('b'); INSERT INTO s2 (v) VALUES ('c');
CREATE TABLE gen (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text GENERATED ALWAYS AS (upper(n)) STORED, n text, UNIQUE (b), CHECK (b < 1000));
INSERT INTO gen (id, a, n) SELECT n, n, 'n' || n FROM generate_series(1, 10) n;
CREATE TABLE par (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE par1 PARTITION OF par FOR VALUES FROM (0) TO (10);
CREATE TABLE par2 PARTITION OF par FOR VALUES FROM (10) TO (20);
CREATE TABLE child (id int PRIMARY KEY, pid int, pk int, FOREIGN KEY (pid, pk) REFERENCES par ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO par SELECT n, n, 'v' || n FROM generate_series(1, 19) n;
INSERT INTO child SELECT n, n, n FROM generate_series(1, 19) n;
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON UPDATE CASCADE ON DELETE SET NULL, n text);
INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'aa'), (5, 4, 'aaa');
CREATE TABLE nv (id int PRIMARY KEY, v int);
INSERT INTO nv VALUES (1, -1), (2, 2), (3, -3);
ALTER TABLE nv ADD CONSTRAINT pos CHECK (v > 0) NOT VALID;
CREATE TABLE nvp (id int PRIMARY KEY);
CREATE TABLE nvc (id int PRIMARY KEY, p int, t text);
INSERT INTO nvp VALUES (1); INSERT INTO nvc VALUES (1, 1), (2, 99), (3, NULL);
ALTER TABLE nvc ADD CONSTRAINT nvf FOREIGN KEY (p) REFERENCES nvp NOT VALID;
CREATE TABLE room (id int PRIMARY KEY, room int, during int4range, cancelled boolean DEFAULT false, EXCLUDE USING gist (during WITH &&) WHERE (NOT cancelled));
INSERT INTO room VALUES (1, 1, '[1,5)', false), (2, 1, '[5,9)', false), (3, 1, '[1,9)', true);
CREATE DOMAIN nn AS text NOT NULL DEFAULT 'dd' CHECK (VALUE <> '');
CREATE TABLE dom (id int PRIMARY KEY, d nn, e nn DEFAULT 'ee', f int);
INSERT INTO dom (id) VALUES (1), (2);
CREATE TABLE ix (id int PRIMARY KEY, j jsonb, a int[], t text, ts tsvector, p point, r int4range, x int, y int);
CREATE INDEX ON ix USING gin (j); CREATE INDEX ON ix USING gin (a); CREATE INDEX ON ix USING gist (p); CREATE INDEX ON ix USING brin (x); CREATE INDEX ON ix USING hash (t); CREATE INDEX ON ix USING spgist (r); CREATE INDEX ON ix (lower(t), x DESC NULLS LAST) INCLUDE (y); CREATE UNIQUE INDEX ON ix (x, y) INCLUDE (t) WHERE x > 5; CREATE INDEX ON ix (t text_pattern_ops); CREATE UNIQUE INDEX ixu ON ix (abs(y)) WHERE y IS NOT NULL;
INSERT INTO ix SELECT n, jsonb_build_object('k', n), ARRAY[n, n + 1], 'T' || n, to_tsvector('w' || n), point(n, n), int4range(n, n + 2), n, n FROM generate_series(1, 10) n;
-- script
INSERT INTO "Odd Schema"."Ta""ble" ("select", "A.b") VALUES ('d', 4) RETURNING *;
UPDATE "Odd Schema"."Ta""ble" SET "A.b" = "A.b" + 10 WHERE "I d" = 1 RETURNING "Ta""ble".*;
-- expect error 23505
INSERT INTO "Odd Schema"."Ta""ble" ("select", "A.b") VALUES ('b', 2);
-- expect error 23514
UPDATE "Odd Schema"."Ta""ble" SET "A.b" = -1 WHERE "I d" = 2;
-- expect error 428C9
INSERT INTO "Odd Schema"."Ta""ble" ("I d") VALUES (50);
INSERT INTO "Odd Schema"."Ta""ble" ("I d", "A.b") OVERRIDING SYSTEM VALUE VALUES (50, 9) RETURNING "I d";
-- expect error 428C9
UPDATE "Odd Schema"."Ta""ble" SET "I d" = 60 WHERE "I d" = 50;
SELECT * FROM "Odd Schema"."Ta""ble" ORDER BY 1;
INSERT INTO "a.b"."c.d" (t) VALUES ('three') RETURNING *;
UPDATE "a.b"."c.d" SET t = 'X' WHERE id = 1;
SELECT "c.d" FROM "a.b"."c.d" ORDER BY id;
INSERT INTO s1 (v) VALUES ('n') RETURNING id;
INSERT INTO s2 (v) VALUES ('m') RETURNING id;
SELECT currval('shared'), lastval();
INSERT INTO s1 SELECT nextval('shared'), v FROM s2 RETURNING id;
-- expect error 428C9
UPDATE gen SET b = 5;
UPDATE gen SET a = a + 100 WHERE id <= 3 RETURNING *;
UPDATE gen SET a = a + 1 WHERE id BETWEEN 4 AND 6 AND id = 999;
-- expect error 23505
UPDATE gen SET a = 9 WHERE id = 8;
-- expect error 23514
UPDATE gen SET a = 500 WHERE id = 8;
UPDATE gen SET n = 'zz', a = DEFAULT, b = DEFAULT WHERE id = 9 RETURNING *;
SELECT * FROM gen ORDER BY id;
SELECT id FROM gen WHERE b = 202;
SELECT id FROM gen WHERE c = 'ZZ';
DELETE FROM par WHERE id = 3;
SELECT count(*) FROM child;
UPDATE par SET k = 15 WHERE id = 4;
SELECT * FROM child WHERE id IN (3, 4, 5) ORDER BY id;
UPDATE par SET id = id + 100 WHERE k = 7;
SELECT * FROM child WHERE pid > 100;
SELECT tableoid::regclass, * FROM par WHERE id IN (4, 5, 107) ORDER BY id;
-- expect error 23503
INSERT INTO child VALUES (50, 3, 3);
INSERT INTO child VALUES (51, 4, 15);
DELETE FROM par1;
SELECT count(*) FROM child;
SELECT count(*) FROM par;
UPDATE tree SET id = 10 WHERE id = 1;
SELECT * FROM tree ORDER BY id;
UPDATE tree SET id = 20 WHERE id = 2 RETURNING *;
DELETE FROM tree WHERE id = 4;
SELECT * FROM tree ORDER BY id;
UPDATE nv SET id = 10 WHERE id = 2;
-- expect error 23514
UPDATE nv SET v = v WHERE id = 1;
-- expect error 23514
UPDATE nv SET id = 11 WHERE id = 1;
DELETE FROM nv WHERE id = 3;
UPDATE nv SET v = 5 WHERE id = 1 RETURNING *;
UPDATE nvc SET t = 'x' WHERE id = 2;
-- expect error 23503
UPDATE nvc SET p = 98 WHERE id = 2;
UPDATE nvc SET p = NULL WHERE id = 2;
-- expect error 23503
UPDATE nvc SET p = 5 WHERE id = 3;
-- expect error 23503
DELETE FROM nvp;
SELECT * FROM nvc ORDER BY id;
-- expect error 23P01
INSERT INTO room VALUES (4, 1, '[2,3)');
INSERT INTO room VALUES (4, 1, '[2,3)', true);
-- expect error 23P01
UPDATE room SET cancelled = false WHERE id = 4;
UPDATE room SET cancelled = true WHERE id = 1;
UPDATE room SET cancelled = false WHERE id = 4 RETURNING *;
INSERT INTO room VALUES (1, 1, '[2,3)', false) ON CONFLICT DO NOTHING;
SELECT * FROM room ORDER BY id;
INSERT INTO dom (id) VALUES (3) RETURNING *;
-- expect error 23502
INSERT INTO dom VALUES (4, NULL);
-- expect error 23514
INSERT INTO dom VALUES (4, '');
-- expect error 23502
UPDATE dom SET e = NULL WHERE id = 1;
UPDATE dom SET d = DEFAULT, e = DEFAULT, f = 1 WHERE id = 1 RETURNING *, pg_typeof(d);
DELETE FROM dom WHERE id = 2 RETURNING *;
SELECT d.*, pg_typeof(d.d) FROM dom d ORDER BY id;
UPDATE ix SET j = j || '{"z": 1}', a = a || 99, t = 'changed', p = point(0, 0), r = '[50,60)', x = x + 20 WHERE id <= 3;
SELECT id FROM ix WHERE j @> '{"z": 1}' ORDER BY id;
SELECT id FROM ix WHERE a @> ARRAY[99] ORDER BY id;
SELECT id FROM ix WHERE lower(t) = 'changed' ORDER BY id;
SELECT id FROM ix WHERE t LIKE 'T1%' ORDER BY id;
SELECT id FROM ix WHERE r && '[55,56)'::int4range ORDER BY id;
SELECT id FROM ix ORDER BY p <-> point(0, 0), id LIMIT 4;
SELECT id, x FROM ix ORDER BY x DESC NULLS LAST LIMIT 3;
-- expect error 23505
UPDATE ix SET x = 7, y = 7 WHERE id = 9;
-- expect error 23505
UPDATE ix SET y = -4 WHERE id = 5;
-- expect error 23505
INSERT INTO ix (id, y) VALUES (11, -10);
INSERT INTO ix (id, y) VALUES (11, -10) ON CONFLICT (abs(y)) WHERE y IS NOT NULL DO UPDATE SET t = 'conflict' RETURNING id, t;
