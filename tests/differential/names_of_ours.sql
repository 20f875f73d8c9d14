-- setup
-- shows: tables: columns and tables with any name, those too that a draft uses for itself
-- needs: PostgreSQL 15
CREATE TABLE "m" (id int PRIMARY KEY, "a" text DEFAULT 'a', "b" text DEFAULT 'b', "c" text DEFAULT 'c', "d" text DEFAULT 'd', "e" text DEFAULT 'e', "f" text DEFAULT 'f', "g" text DEFAULT 'g', "h" text DEFAULT 'h', "i" text DEFAULT 'i', "j" text DEFAULT 'j', "k" text DEFAULT 'k', "l" text DEFAULT 'l', "m" text DEFAULT 'm', "n" text DEFAULT 'n', "o" text DEFAULT 'o', "p" text DEFAULT 'p', "q" text DEFAULT 'q', "r" text DEFAULT 'r', "s" text DEFAULT 's', "t" text DEFAULT 't', "u" text DEFAULT 'u', "v" text DEFAULT 'v', "w" text DEFAULT 'w', "x" text DEFAULT 'x', "y" text DEFAULT 'y', "z" text DEFAULT 'z', "excluded" text DEFAULT 'excluded', "old" text DEFAULT 'old', "new" text DEFAULT 'new', "src" text DEFAULT 'src', "sid" text DEFAULT 'sid', "op" text DEFAULT 'op', "kind" text DEFAULT 'kind', "live" text DEFAULT 'live', "tables" text DEFAULT 'tables', "names" text DEFAULT 'names', "number" text DEFAULT 'number', "session" text DEFAULT 'session', "operation" text DEFAULT 'operation', "result" text, "own_sid" text, "pgdraft" text DEFAULT 'result', "value" text DEFAULT 'value', "key" text DEFAULT 'key', UNIQUE ("r"), CHECK ("n" <> 'bad'), up int REFERENCES "m" ON DELETE CASCADE);
INSERT INTO "m" (id, "r", up) SELECT i, 'r'||i, nullif(i/2,0) FROM generate_series(1,9) i;
CREATE TABLE "h" (id int PRIMARY KEY, "a" text DEFAULT 'a', "b" text DEFAULT 'b', "c" text DEFAULT 'c', "d" text DEFAULT 'd', "e" text DEFAULT 'e', "f" text DEFAULT 'f', "g" text DEFAULT 'g', "h" text DEFAULT 'h', "i" text DEFAULT 'i', "j" text DEFAULT 'j', "k" text DEFAULT 'k', "l" text DEFAULT 'l', "m" text DEFAULT 'm', "n" text DEFAULT 'n', "o" text DEFAULT 'o', "p" text DEFAULT 'p', "q" text DEFAULT 'q', "r" text DEFAULT 'r', "s" text DEFAULT 's', "t" text DEFAULT 't', "u" text DEFAULT 'u', "v" text DEFAULT 'v', "w" text DEFAULT 'w', "x" text DEFAULT 'x', "y" text DEFAULT 'y', "z" text DEFAULT 'z', "excluded" text DEFAULT 'excluded', "old" text DEFAULT 'old', "new" text DEFAULT 'new', "src" text DEFAULT 'src', "sid" text DEFAULT 'sid', "op" text DEFAULT 'op', "kind" text DEFAULT 'kind', "live" text DEFAULT 'live', "tables" text DEFAULT 'tables', "names" text DEFAULT 'names', "number" text DEFAULT 'number', "session" text DEFAULT 'session', "operation" text DEFAULT 'operation', "result" text, "own_sid" text, "pgdraft" text DEFAULT 'result', "value" text DEFAULT 'value', "key" text DEFAULT 'key', UNIQUE ("r"), CHECK ("n" <> 'bad'), up int REFERENCES "h" ON DELETE CASCADE);
INSERT INTO "h" (id, "r", up) SELECT i, 'r'||i, nullif(i/2,0) FROM generate_series(1,9) i;
CREATE UNIQUE INDEX ON "m" (lower("old"), ("new" || "r"), "n");
CREATE UNIQUE INDEX ON "h" ("new", "r") WHERE "old" IS NOT NULL;
CREATE TABLE kid ("m" int REFERENCES "m" ON DELETE CASCADE ON UPDATE CASCADE, "h" int REFERENCES "h" ON DELETE SET NULL, "b" text REFERENCES "m" ("r") ON UPDATE CASCADE, "c" int, PRIMARY KEY ("c"));
INSERT INTO kid SELECT i, i, 'r'||i, i FROM generate_series(1,9) i;
CREATE VIEW "w" AS SELECT * FROM "m" WHERE "x" IS NOT NULL;
CREATE TABLE excluded (id int PRIMARY KEY, v text);
INSERT INTO excluded VALUES (1, 'a'), (2, 'b');
-- script
INSERT INTO excluded VALUES (3, 'c') RETURNING excluded.id, public.excluded.v, excluded.*, excluded;
INSERT INTO excluded VALUES (1, 'b') ON CONFLICT (id) DO NOTHING;
-- expect error 42P09
INSERT INTO excluded VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
INSERT INTO excluded VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET v = 'x' RETURNING v;
INSERT INTO excluded AS e VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET v = excluded.v || e.v RETURNING *;
UPDATE excluded SET v = excluded.v || '!' WHERE excluded.id = 2 RETURNING *;
-- expect error 23505
INSERT INTO excluded VALUES (1, 'b');
UPDATE "m" SET "a" = "b" || "h", "n" = "o" || "m" WHERE "f" = 'f' AND id < 4 RETURNING id, "a", "n", "l";
UPDATE "m" AS "x" SET "y" = "b"."z" FROM "m" AS "b" WHERE "b".id = "x".id + 1 AND "x".id = 4 RETURNING "x".id, "x"."y", "b"."b";
INSERT INTO "m" (id, "r") VALUES (20, 'r20'), (21, 'r21') RETURNING id, "k", "excluded", "old", "new";
INSERT INTO "m" (id, "r", "s") VALUES (1, 'r1', 'met'), (22, 'r22', 'new') ON CONFLICT (id) DO UPDATE SET "s" = excluded."s" || "m"."t", "excluded" = excluded."excluded" || 'x' RETURNING id, "s", "excluded";
INSERT INTO "m" (id, "r") VALUES (23, 'r2') ON CONFLICT ("r") DO UPDATE SET "i" = excluded."r" RETURNING id, "i";
INSERT INTO "m" (id, "r") VALUES (24, 'r3'), (25, 'r25') ON CONFLICT DO NOTHING RETURNING id;
-- expect error 23505
INSERT INTO "m" (id, "r") VALUES (26, 'r4');
-- expect error 23514
UPDATE "m" SET "n" = 'bad' WHERE id = 5;
MERGE INTO "m" AS "h" USING (SELECT id, "b" AS "c", "r" FROM "m" WHERE id > 20) AS "src" ON "h".id = "src".id - 20 WHEN MATCHED AND "h".id = 1 THEN UPDATE SET "e" = "src"."c" WHEN MATCHED THEN UPDATE SET "p" = "h"."q" WHEN NOT MATCHED THEN INSERT (id, "r") VALUES ("src".id + 100, 'm' || "src".id);
WITH "f" AS (DELETE FROM "m" WHERE id = 25 RETURNING *) SELECT id, "f", "f"."w" FROM "f";
UPDATE "m" SET id = id + 1000 WHERE id = 22 RETURNING id;
SELECT id, "a", "n", "s", "e", "p", "y", "excluded" FROM "m" ORDER BY id;
SELECT "m"."m", "k".* FROM "m" JOIN kid AS "k" ON "k"."c" = "m".id WHERE "k"."c" < 4 ORDER BY "k"."c";
SELECT "m" FROM "m" WHERE id = 2;
UPDATE "h" SET "a" = "b" || "h", "n" = "o" || "m" WHERE "f" = 'f' AND id < 4 RETURNING id, "a", "n", "l";
UPDATE "h" AS "x" SET "y" = "b"."z" FROM "h" AS "b" WHERE "b".id = "x".id + 1 AND "x".id = 4 RETURNING "x".id, "x"."y", "b"."b";
INSERT INTO "h" (id, "r") VALUES (20, 'r20'), (21, 'r21') RETURNING id, "k", "excluded", "old", "new";
INSERT INTO "h" (id, "r", "s") VALUES (1, 'r1', 'met'), (22, 'r22', 'new') ON CONFLICT (id) DO UPDATE SET "s" = excluded."s" || "h"."t", "excluded" = excluded."excluded" || 'x' RETURNING id, "s", "excluded";
INSERT INTO "h" (id, "r") VALUES (23, 'r2') ON CONFLICT ("r") DO UPDATE SET "i" = excluded."r" RETURNING id, "i";
INSERT INTO "h" (id, "r") VALUES (24, 'r3'), (25, 'r25') ON CONFLICT DO NOTHING RETURNING id;
-- expect error 23505
INSERT INTO "h" (id, "r") VALUES (26, 'r4');
-- expect error 23514
UPDATE "h" SET "n" = 'bad' WHERE id = 5;
MERGE INTO "h" AS "h" USING (SELECT id, "b" AS "c", "r" FROM "h" WHERE id > 20) AS "src" ON "h".id = "src".id - 20 WHEN MATCHED AND "h".id = 1 THEN UPDATE SET "e" = "src"."c" WHEN MATCHED THEN UPDATE SET "p" = "h"."q" WHEN NOT MATCHED THEN INSERT (id, "r") VALUES ("src".id + 100, 'm' || "src".id);
WITH "f" AS (DELETE FROM "h" WHERE id = 25 RETURNING *) SELECT id, "f", "f"."w" FROM "f";
UPDATE "h" SET id = id + 1000 WHERE id = 22 RETURNING id;
SELECT id, "a", "n", "s", "e", "p", "y", "excluded" FROM "h" ORDER BY id;
SELECT "h"."m", "k".* FROM "h" JOIN kid AS "k" ON "k"."c" = "h".id WHERE "k"."c" < 4 ORDER BY "k"."c";
SELECT "h" FROM "h" WHERE id = 2;
UPDATE "m" SET "r" = 'moved' WHERE id = 6;
DELETE FROM "m" WHERE id = 3;
DELETE FROM "h" WHERE id = 4;
SELECT * FROM kid ORDER BY "c";
UPDATE "w" SET "v" = "u" WHERE id = 2 RETURNING id, "v";
DELETE FROM "w" WHERE id = 20;
SELECT count(*) FROM "w";
BEGIN;
DECLARE "c" CURSOR FOR SELECT id, "c" FROM "m" WHERE id = 2;
MOVE 1 FROM "c";
UPDATE "m" SET "j" = 'current' WHERE CURRENT OF "c" RETURNING id, "j";
COMMIT;
SELECT id, "d" FROM "m" ORDER BY "r" FOR UPDATE;
COPY "m" (id, "r", "m", "h") FROM STDIN;
60	copied	x	y
\.
SELECT id, "m", "h" FROM "m" WHERE id = 60;
TRUNCATE "h" CASCADE;
SELECT count(*) FROM kid;
INSERT INTO "h" (id) VALUES (1) RETURNING id, "r";
SELECT * FROM "m" ORDER BY id;
