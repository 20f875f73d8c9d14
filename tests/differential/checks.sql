-- setup
-- shows: constraints: NOT NULL, CHECK, also of the row as a whole, domain checks, lengths
CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);
CREATE DOMAIN short AS varchar(5) CONSTRAINT no_blank CHECK (VALUE !~ ' ');
CREATE TABLE t (id int PRIMARY KEY, a int CHECK (a >= 0), b int, c text NOT NULL, d varchar(3), e numeric(4,1), f short, g positive DEFAULT 1,
  CONSTRAINT a_below_b CHECK (a < b), CONSTRAINT c_not_empty CHECK (c <> ''));
INSERT INTO t VALUES (1, 1, 2, 'x', 'abc', 1.5, 'ok', 1), (2, NULL, NULL, 'y', NULL, NULL, NULL, 2);
CREATE TABLE ordered (id int PRIMARY KEY, z text NOT NULL, a int NOT NULL, h int GENERATED ALWAYS AS (a * 2) STORED, CONSTRAINT k2 CHECK (10 / a > 0),
  CONSTRAINT k1 CHECK (a <> 0), CONSTRAINT k3 CHECK (z <> 'bad' OR h > 10), CONSTRAINT "K0" CHECK (a < 9));
INSERT INTO ordered VALUES (1, 'x', 1);
CREATE TABLE "Whole Row" (id int PRIMARY KEY, gone int, "a b" int, h int GENERATED ALWAYS AS ("a b" + 1) STORED, c text,
  CONSTRAINT filled CHECK ("Whole Row" IS NOT NULL OR "Whole Row".c IS NULL));
ALTER TABLE "Whole Row" DROP COLUMN gone;
INSERT INTO "Whole Row" (id, "a b", c) VALUES (1, 2, 'x'), (2, NULL, NULL);
-- script
-- expect error 23514
INSERT INTO t VALUES (3, -1, 5, 'x');
-- expect error 23514
INSERT INTO t VALUES (3, 5, 5, 'x');
-- expect error 23514
INSERT INTO t VALUES (3, 1, 5, '');
-- expect error 23502
INSERT INTO t VALUES (3, 1, 5, NULL);
-- expect error 23502
INSERT INTO t (id) VALUES (3);
-- expect error 22001
INSERT INTO t VALUES (3, 1, 5, 'x', 'abcd');
-- expect error 22003
INSERT INTO t VALUES (3, 1, 5, 'x', 'abc', 1000);
-- expect error 23514
INSERT INTO t VALUES (3, 1, 5, 'x', 'abc', 1, 'a b');
-- expect error 22001
INSERT INTO t VALUES (3, 1, 5, 'x', 'abc', 1, 'longer');
-- expect error 23514
INSERT INTO t VALUES (3, 1, 5, 'x', 'abc', 1, 'ok', 0);
-- expect error 23502
INSERT INTO t VALUES (3, 1, 5, 'x', 'abc', 1, 'ok', NULL);
-- expect error 23502
INSERT INTO t (id, c) VALUES (NULL, 'x');
INSERT INTO t VALUES (3, NULL, 5, 'x', 'ab ', 99.94, NULL, 7) RETURNING *;
-- expect error 23514
UPDATE t SET a = -1 WHERE id = 1;
-- expect error 23514
UPDATE t SET b = 0 WHERE id = 1;
-- expect error 23502
UPDATE t SET c = NULL WHERE id = 2;
-- expect error 22001
UPDATE t SET d = 'wxyz' WHERE id = 3;
-- expect error 22003
UPDATE t SET e = 999.95 WHERE id = 3;
-- expect error 23514
UPDATE t SET g = g - 7 WHERE id = 3;
-- expect error 23502
UPDATE t SET g = NULL WHERE id = 2;
-- expect error 23502
UPDATE t SET id = NULL WHERE id = 2;
UPDATE t SET a = 4, b = 9, e = 99.99 WHERE id = 3 RETURNING *;
UPDATE t SET d = 'xyz   ' WHERE id = 3 RETURNING d, length(d);
SELECT * FROM t ORDER BY id;
-- the first that fails is told, and what comes behind it is not looked at
-- expect error 23514
INSERT INTO ordered VALUES (2, 'bad', 0);
-- expect error 23514
UPDATE ordered SET a = 0, z = 'bad' WHERE id = 1;
-- expect error 23514
UPDATE ordered SET z = 'bad' WHERE id = 1;
-- expect error 23514
UPDATE ordered SET a = 11, z = 'bad';
-- expect error 23502
INSERT INTO ordered VALUES (2, NULL, NULL);
-- expect error 23502
INSERT INTO ordered VALUES (2, 'x', NULL);
-- expect error 23502
UPDATE ordered SET z = NULL, a = 0 WHERE id = 1;
-- expect error 23514
INSERT INTO ordered SELECT n, 'x', 7 - n FROM generate_series(2, 9) n;
INSERT INTO ordered SELECT n, 'x', 10 - n FROM generate_series(2, 9) n;
DELETE FROM ordered WHERE a > 6;
SELECT * FROM ordered ORDER BY id;
-- expect error 23514
INSERT INTO "Whole Row" (id, "a b", c) VALUES (3, NULL, 'y');
-- expect error 23514
UPDATE "Whole Row" SET "a b" = NULL;
UPDATE "Whole Row" SET "a b" = 3 WHERE id = 2;
-- expect error 23514
COPY "Whole Row" FROM STDIN;
4	5	z
5	\N	z
\.
INSERT INTO "Whole Row" (id, "a b", c) VALUES (3, NULL, NULL) RETURNING *;
TABLE "Whole Row" ORDER BY id;
