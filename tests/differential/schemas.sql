-- setup
-- shows: tables: several schemas, search_path
CREATE SCHEMA a;
CREATE SCHEMA b;
CREATE SCHEMA "Mixed Case";
CREATE TABLE public.t (id int PRIMARY KEY, v text);
CREATE TABLE a.t (id int PRIMARY KEY, v text, only_a int);
CREATE TABLE b.t (id int PRIMARY KEY, v text, only_b int);
CREATE TABLE b.only_here (id int PRIMARY KEY, t_id int REFERENCES a.t);
CREATE TABLE "Mixed Case"."T" ("Id" int PRIMARY KEY, "V" text);
INSERT INTO public.t VALUES (1, 'public');
INSERT INTO a.t VALUES (1, 'a', 1), (2, 'a', 2);
INSERT INTO b.t VALUES (1, 'b', 1);
INSERT INTO b.only_here VALUES (1, 1);
INSERT INTO "Mixed Case"."T" VALUES (1, 'mixed');
-- script
SELECT * FROM t ORDER BY id;
UPDATE t SET v = 'public changed';
SET search_path = a, b;
SELECT * FROM t ORDER BY id;
INSERT INTO t VALUES (3, 'a new', 3);
SELECT * FROM t ORDER BY id;
SELECT * FROM b.t ORDER BY id;
UPDATE b.t SET v = a.t.v FROM a.t WHERE a.t.id = b.t.id RETURNING b.t.*, a.t.only_a;
UPDATE b.t SET v = other.v FROM a.t AS other WHERE other.id = b.t.id RETURNING b.t.*, other.only_a;
SELECT * FROM only_here;
-- expect error 23503
INSERT INTO only_here VALUES (2, 99);
INSERT INTO only_here VALUES (2, 3);
SET search_path = b, a;
SELECT * FROM t ORDER BY id;
DELETE FROM t;
SELECT * FROM t;
SELECT x.v, y.v, z.v FROM a.t x, b.t y FULL JOIN public.t z ON z.id = y.id ORDER BY 1, 2, 3;
SET search_path = "Mixed Case";
SELECT * FROM "T";
UPDATE "T" SET "V" = "V" || '!' RETURNING "T"."V", "T".*;
-- expect error 42P01
SELECT * FROM t;
-- expect error 42P01
SELECT * FROM "t";
SET search_path = nowhere, public;
SELECT * FROM t ORDER BY id;
BEGIN;
SET LOCAL search_path = a;
SELECT count(*) FROM t;
COMMIT;
SELECT count(*) FROM t;
BEGIN;
SET search_path = b;
INSERT INTO t VALUES (50, 'b in a transaction', 5);
ROLLBACK;
SELECT * FROM t ORDER BY id;
RESET search_path;
SHOW search_path;
SELECT set_config('search_path', 'a', false);
SELECT * FROM t ORDER BY id;
-- expect error 42P01
SELECT * FROM c.t;
-- expect error 42P01
INSERT INTO nowhere.t VALUES (1);
SELECT (SELECT count(*) FROM a.t), (SELECT count(*) FROM b.t), (SELECT count(*) FROM public.t);
