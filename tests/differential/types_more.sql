-- setup
-- shows: types: citext, domains over domains and arrays, multiranges, json, point, dropped columns; keys equal by their type (1.0 = 1.00, -0 = 0, 24 hours = 1 day)
CREATE EXTENSION IF NOT EXISTS citext;
CREATE DOMAIN tags AS text[] NOT NULL CHECK (array_length(VALUE, 1) < 4);
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE DOMAIN smaller AS small CHECK (VALUE < 10);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE "Wide Things" ("Id" citext PRIMARY KEY, gone int, t tags DEFAULT '{}', d smaller, m mood, p pair, r numrange, mr int4multirange,
  cash money, x xml, bits bit(4), vb bit varying(6), v tsvector, j json, jb jsonb, pt point, long text, "ein sehr langer Name mit über dreiundsechzig Byte, der abgeschnitten" int, c char(5), f float8);
ALTER TABLE "Wide Things" DROP COLUMN gone;
INSERT INTO "Wide Things" ("Id", d, m, p, r, mr, cash, x, bits, vb, v, j, jb, pt, long, c, f) VALUES
  ('Abc', 5, 'ok', '(1,x)', '[1,2)', '{[1,2),[5,7)}', 12.34, '<a>1</a>', '1010', '101', 'fat cat', '{"a":1}', '{"a": 1}', '(1,2)', repeat('long', 5000), 'ab', '-0'),
  ('xyz', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE by_numeric (n numeric PRIMARY KEY, v text);
CREATE TABLE by_interval (i interval PRIMARY KEY, v text);
CREATE TABLE by_float (f float8 PRIMARY KEY, v text);
CREATE TABLE by_char (c char(4) PRIMARY KEY, v text);
CREATE TABLE by_range (r int4range PRIMARY KEY, m mood, v text);
INSERT INTO by_numeric VALUES (1.0, 'a'), (2, 'b');
INSERT INTO by_interval VALUES ('24 hours', 'a'), ('2 days', 'b');
INSERT INTO by_float VALUES (0, 'zero'), ('NaN', 'nan');
INSERT INTO by_char VALUES ('a', 'a'), ('b', 'b');
INSERT INTO by_range VALUES ('[1,5)', 'sad', 'a');
-- script
UPDATE "Wide Things" SET m = 'happy', p = ROW(2, 'y,"z"'), cash = cash + 1::money, vb = '111' WHERE "Id" = 'ABC' RETURNING "Id", m, p, cash, vb;
-- expect error 23505
INSERT INTO "Wide Things" ("Id") VALUES ('XYZ');
INSERT INTO "Wide Things" ("Id", t, d, f) VALUES ('new', '{a,b}', 9, '-0') RETURNING "Id", t, d, f;
-- expect error 23505
INSERT INTO "Wide Things" ("Id") VALUES ('NEW');
-- expect error 23514
UPDATE "Wide Things" SET d = 50 WHERE "Id" = 'new';
-- expect error 23514
UPDATE "Wide Things" SET t = '{a,b,c,d}' WHERE "Id" = 'new';
-- expect error 23502
UPDATE "Wide Things" SET t = NULL WHERE "Id" = 'new';
-- expect error 22P02
UPDATE "Wide Things" SET m = 'angry' WHERE "Id" = 'new';
-- expect error 22026
UPDATE "Wide Things" SET bits = '10' WHERE "Id" = 'new';
UPDATE "Wide Things" SET "Id" = 'ABC', j = '{"b": [1, 2]}', v = to_tsvector('simple', 'a dog'), pt = '(3,4)' WHERE "Id" = 'abc';
SELECT "Id", t, d, m, p, r, mr, cash, x::text, bits, vb, v, j::text, jb, pt::text, length(long), md5(long), c, f FROM "Wide Things" ORDER BY "Id";
SELECT w."Id", (w.p).b FROM "Wide Things" w WHERE w.bits = B'1010';
DELETE FROM "Wide Things" WHERE "Id" = 'XYZ';
SELECT "Id" FROM "Wide Things" ORDER BY 1;
UPDATE by_numeric SET v = 'changed' WHERE n = 1.00;
-- expect error 23505
INSERT INTO by_numeric VALUES (2.000, 'again');
DELETE FROM by_numeric WHERE n = 2.0;
INSERT INTO by_numeric VALUES (2.00, 'again');
SELECT * FROM by_numeric ORDER BY n;
UPDATE by_interval SET v = 'changed' WHERE i = '1 day';
-- expect error 23505
INSERT INTO by_interval VALUES ('48 hours', 'again');
SELECT * FROM by_interval ORDER BY i;
UPDATE by_float SET v = 'changed' WHERE f = '-0';
-- expect error 23505
INSERT INTO by_float VALUES ('NaN', 'again');
SELECT * FROM by_float ORDER BY f;
UPDATE by_char SET v = 'changed' WHERE c = 'a   ';
-- expect error 23505
INSERT INTO by_char VALUES ('b ', 'again');
SELECT c, v, length(c) FROM by_char ORDER BY c;
UPDATE by_range SET m = 'ok' WHERE r = '[1,4]';
-- expect error 23505
INSERT INTO by_range VALUES ('(0,4]', 'ok', 'again');
SELECT * FROM by_range ORDER BY r;
