-- setup
-- shows: tables: mixed-case, quoted and long names
CREATE TABLE "Order" ("select" int PRIMARY KEY, "from" text, "User Name" text, "with""quote" int, "ünïcode" text, "dot.ted" int);
CREATE TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn (id int PRIMARY KEY, ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc int);
CREATE TABLE "UPPER" (a int PRIMARY KEY, "A" int);
CREATE TABLE keyworded ("user" int PRIMARY KEY, "table" text, value text, name text, type text, "order" int, "group" int, "limit" int, year int, key text, text text, date date, "timestamp" timestamp, "end" int, "desc" text, "default" int DEFAULT 4);
CREATE TABLE "täble" (id int PRIMARY KEY, "Straße" text);
INSERT INTO "Order" VALUES (1, 'f', 'u', 2, 'ü', 3);
INSERT INTO nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn VALUES (1, 1);
INSERT INTO "UPPER" VALUES (1, 2);
INSERT INTO keyworded VALUES (1, 't', 'v', 'n', 'ty', 1, 2, 3, 2024, 'k', 'tx', '2024-01-01', '2024-01-01', 9, 'd');
INSERT INTO "täble" VALUES (1, 'Weg');
-- script
UPDATE "Order" SET "from" = 'changed', "User Name" = "ünïcode" || 'x', "with""quote" = "with""quote" + 1 WHERE "select" = 1 RETURNING *;
INSERT INTO "Order" ("select", "dot.ted") VALUES (2, 4) RETURNING "dot.ted", "Order"."with""quote", "Order"."ünïcode" AS "a ""b";
SELECT "Order".*, o."select" FROM "Order", "Order" AS o WHERE o."select" = "Order"."select" ORDER BY 1;
SELECT "Order"."from" FROM public."Order" ORDER BY "select" DESC;
UPDATE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn SET ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc = 5;
SELECT * FROM nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn;
SELECT * FROM nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn;
UPDATE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn SET id = 2 RETURNING *;
UPDATE "UPPER" SET "A" = a + 10, A = 5 RETURNING *;
SELECT A, "A", "UPPER".a FROM "UPPER";
-- expect error 42P01
SELECT * FROM UPPER;
UPDATE keyworded SET "table" = 'x', value = 'y', name = name || type, year = year + 1, key = NULL, text = 'z', date = date + 1, "order" = "limit", "end" = "group" WHERE "user" = 1 RETURNING *;
INSERT INTO keyworded ("user", "default", year, name) VALUES (2, DEFAULT, 1999, 'two') RETURNING "default", year, name AS value;
SELECT value, name, type, year, key, text, date, "timestamp" FROM keyworded ORDER BY "user";
SELECT k.name, k.year AS "order" FROM keyworded k WHERE k.type IS NULL OR k.value = 'y' ORDER BY "order";
DELETE FROM keyworded WHERE "user" = 2 AND name = 'two';
UPDATE "täble" SET "Straße" = 'Gasse' WHERE id = 1;
INSERT INTO "täble" VALUES (2, 'Allee') RETURNING "Straße";
SELECT * FROM "täble" AS "Tö" WHERE "Tö".id > 0 ORDER BY id;
-- expect error 42703
SELECT 'ö' || "Straße", nope FROM "täble";
