-- setup
-- shows: constraints: unique values used again within one operation while rows that must have a parent move, rows that require each other
CREATE TABLE par (id int PRIMARY KEY, code text NOT NULL UNIQUE);
CREATE TABLE chi (id int PRIMARY KEY, code text NOT NULL REFERENCES par (code), par int NOT NULL REFERENCES par);
INSERT INTO par VALUES (1, 'a'), (2, 'b'), (5, 'e');
INSERT INTO chi VALUES (1, 'a', 1), (2, 'b', 2), (5, 'e', 5);
CREATE TABLE tree (id int PRIMARY KEY, name text NOT NULL UNIQUE, above int NOT NULL REFERENCES tree);
INSERT INTO tree VALUES (1, 'root', 1), (2, 'left', 1), (3, 'right', 1), (4, 'leaf', 2);
CREATE TABLE top (id int PRIMARY KEY, slot int NOT NULL UNIQUE);
CREATE TABLE mid (id int PRIMARY KEY, slot int NOT NULL UNIQUE, top int NOT NULL REFERENCES top ON DELETE CASCADE);
CREATE TABLE low (id int PRIMARY KEY, mid int NOT NULL REFERENCES mid ON DELETE CASCADE, slot int REFERENCES mid (slot) ON UPDATE CASCADE);
INSERT INTO top SELECT n, n FROM generate_series(1, 4) n;
INSERT INTO mid SELECT n, n, n FROM generate_series(1, 4) n;
INSERT INTO low SELECT n, n, n FROM generate_series(1, 4) n;
CREATE TABLE code (id int PRIMARY KEY, c text NOT NULL UNIQUE);
CREATE TABLE uses (id int PRIMARY KEY, c text NOT NULL REFERENCES code (c) ON UPDATE RESTRICT);
INSERT INTO code VALUES (1, 'x'), (2, 'y');
INSERT INTO uses VALUES (1, 'x'), (2, 'y');
CREATE TABLE one (id int PRIMARY KEY, two int);
CREATE TABLE two (id int PRIMARY KEY, one int NOT NULL REFERENCES one, u int NOT NULL UNIQUE);
ALTER TABLE one ADD FOREIGN KEY (two) REFERENCES two;
INSERT INTO one VALUES (1, NULL);
INSERT INTO two VALUES (1, 1, 1);
UPDATE one SET two = 1;
CREATE TABLE alike (id int PRIMARY KEY, a int, b int, n varchar(9));
CREATE UNIQUE INDEX ON alike (n COLLATE "C");
INSERT INTO alike SELECT i, i, NULL, 'n' || i FROM generate_series(1, 8) i;
CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL, name text NOT NULL UNIQUE);
CREATE TABLE egg (id int PRIMARY KEY, hen int NOT NULL REFERENCES hen);
INSERT INTO hen SELECT n, n, 'h' || n FROM generate_series(1, 4) n;
INSERT INTO egg SELECT n, n FROM generate_series(1, 4) n;
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
CREATE TABLE "Left One" (a int, "B" text, "to" int NOT NULL, PRIMARY KEY (a, "B"));
CREATE TABLE mids (id int PRIMARY KEY, a int NOT NULL, b text NOT NULL, FOREIGN KEY (a, b) REFERENCES "Left One");
CREATE TABLE rights (id int PRIMARY KEY, mid int NOT NULL REFERENCES mids);
ALTER TABLE "Left One" ADD FOREIGN KEY ("to") REFERENCES rights;
-- script
-- rows that require each other: made, removed and moved by one statement
BEGIN;
WITH e AS (INSERT INTO egg VALUES (10, 10) RETURNING *) INSERT INTO hen SELECT hen, id, 'h' || id FROM e;
COMMIT;
BEGIN;
WITH h AS (DELETE FROM hen WHERE id = 1) DELETE FROM egg WHERE id = 1;
COMMIT;
BEGIN;
WITH e AS (INSERT INTO egg VALUES (20, 20), (21, 20)), h AS (INSERT INTO hen VALUES (20, 20, 'h20'))
UPDATE hen SET egg = 21, name = 'h2b' WHERE id = 2;
WITH h AS (DELETE FROM hen WHERE id = 3) DELETE FROM egg WHERE id = 3;
COMMIT;
BEGIN;
WITH l AS (INSERT INTO "Left One" VALUES (1, 'x', 1), (2, 'y', 2)), m AS (INSERT INTO mids VALUES (1, 1, 'x'), (2, 2, 'y'))
INSERT INTO rights VALUES (1, 2), (2, 1);
COMMIT;
-- one takes the name of one that goes
BEGIN;
WITH h AS (DELETE FROM hen WHERE id = 4), e AS (DELETE FROM egg WHERE id = 4)
INSERT INTO egg VALUES (30, 2);
WITH e AS (INSERT INTO egg VALUES (31, 31)) INSERT INTO hen VALUES (31, 31, 'h4');
COMMIT;
SELECT * FROM hen ORDER BY id;
SELECT * FROM egg ORDER BY id;
SELECT * FROM "Left One" ORDER BY a;
SELECT * FROM mids ORDER BY id;
SELECT * FROM rights ORDER BY id;
BEGIN;
-- each row takes the value of the next
UPDATE alike SET a = 100 + a, n = 'm' || id;
UPDATE alike SET a = a - 99, n = 'n' || id + 1;
COMMIT;
BEGIN;
-- a parent's value goes to a new parent, while the child of the old one needs another new parent first
INSERT INTO par VALUES (3, 'c');
UPDATE chi SET code = 'c', par = 3 WHERE id = 1;
DELETE FROM par WHERE id = 1;
INSERT INTO par VALUES (4, 'a');
UPDATE chi SET code = 'a', par = 4 WHERE id = 2;
DELETE FROM chi WHERE id = 5;
UPDATE par SET code = 'f' WHERE id = 5;
INSERT INTO par VALUES (6, 'e');
INSERT INTO chi VALUES (6, 'e', 6);
-- the same within one table
INSERT INTO tree VALUES (5, 'middle', 1);
UPDATE tree SET above = 5 WHERE id = 4;
DELETE FROM tree WHERE id = 2;
INSERT INTO tree VALUES (6, 'left', 5), (7, 'own', 7);
UPDATE tree SET above = 6 WHERE id = 3;
-- over three tables, with actions
INSERT INTO top VALUES (5, 50);
INSERT INTO mid VALUES (5, 50, 5);
UPDATE low SET mid = 5, slot = 50 WHERE id IN (1, 2);
DELETE FROM top WHERE id = 1;
INSERT INTO top VALUES (6, 1);
INSERT INTO mid VALUES (6, 1, 6);
UPDATE low SET mid = 6, slot = 1 WHERE id = 2;
UPDATE mid SET slot = 60 WHERE id = 3;
INSERT INTO mid VALUES (7, 3, 6);
UPDATE low SET mid = 7, slot = 3 WHERE id = 4;
-- a referenced value changes when nobody refers to it any more
INSERT INTO code VALUES (3, 'z');
UPDATE uses SET c = 'z' WHERE id = 1;
UPDATE code SET c = 'w' WHERE id = 1;
INSERT INTO code VALUES (4, 'x');
UPDATE uses SET c = 'x' WHERE id = 2;
-- tables that refer to each other
INSERT INTO one VALUES (2, NULL);
INSERT INTO two VALUES (2, 2, 2);
UPDATE one SET two = 2;
UPDATE two SET u = 3 WHERE id = 1;
INSERT INTO two VALUES (3, 1, 1);
UPDATE one SET two = 3 WHERE id = 2;
COMMIT;
SELECT * FROM par ORDER BY id;
SELECT * FROM chi ORDER BY id;
SELECT * FROM tree ORDER BY id;
SELECT * FROM top ORDER BY id;
SELECT * FROM mid ORDER BY id;
SELECT * FROM low ORDER BY id;
SELECT * FROM code ORDER BY id;
SELECT * FROM uses ORDER BY id;
SELECT * FROM one ORDER BY id;
SELECT * FROM two ORDER BY id;
SELECT * FROM alike ORDER BY id;
