-- setup
-- shows: tables: keys equal by their type's equality (numeric, NaN, -0, interval, char padding), names of 63 bytes, values of a megabyte
-- shows: constraints: MATCH FULL, composite and self-referencing foreign keys, SET NULL (columns), several ON UPDATE CASCADE to one table
-- needs: PostgreSQL 15
CREATE TABLE a (x int, y int, v text, PRIMARY KEY (x, y));
CREATE TABLE b (id int PRIMARY KEY, x int, y int, CONSTRAINT b_a FOREIGN KEY (x, y) REFERENCES a MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE tree (id int, part int, up int, PRIMARY KEY (id, part), FOREIGN KEY (up, part) REFERENCES tree (id, part) ON DELETE SET NULL (up));
CREATE TABLE p (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
CREATE TABLE o (id int PRIMARY KEY);
CREATE TABLE l (id int PRIMARY KEY, f int REFERENCES o ON UPDATE CASCADE, g int REFERENCES o ON UPDATE CASCADE);
CREATE TABLE js (id int PRIMARY KEY, j json, x xml, pt point);
CREATE TABLE n (k numeric PRIMARY KEY, v text);
CREATE TABLE f8 (k float8 PRIMARY KEY, v text);
CREATE TABLE iv (k interval PRIMARY KEY, v text);
CREATE TABLE ch (k char(5) PRIMARY KEY, v text);
CREATE TABLE "A name of sixty-three bytes, with Capitals, blanks and é: 0123" ("Kéy" int PRIMARY KEY, "v "" w" text);
CREATE TABLE big (id int PRIMARY KEY, v text);
INSERT INTO a VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c');
INSERT INTO b VALUES (1, 1, 1), (2, 2, 2), (3, NULL, NULL);
INSERT INTO tree VALUES (1, 1, NULL), (2, 1, 1), (3, 1, 2);
INSERT INTO p VALUES (1, 'a'), (2, 'b');
INSERT INTO o VALUES (1), (2), (3);
INSERT INTO l VALUES (1, 1, 2), (2, 2, 2), (3, 1, 1);
INSERT INTO js VALUES (1, '{"a": 1}', '<a/>', '(1,2)'), (2, '[]', '<b/>', '(3,4)');
INSERT INTO n VALUES (1.0, 'a'), ('NaN', 'nan'), (2.50, 'c');
INSERT INTO f8 VALUES (0, 'zero'), ('NaN', 'nan'), ('-Infinity', 'inf');
INSERT INTO iv VALUES ('1 month', 'a'), ('24:00:00', 'day');
INSERT INTO ch VALUES ('ab', 'a'), ('c', 'c');
INSERT INTO "A name of sixty-three bytes, with Capitals, blanks and é: 0123" VALUES (1, 'x');
INSERT INTO big SELECT 1, string_agg(md5(g::text), '') FROM generate_series(1, 30000) g;
-- script
UPDATE n SET v = 'x' WHERE k = 1;
UPDATE n SET v = 'y' WHERE k = 'NaN';
-- expect error 23505
INSERT INTO n VALUES (1.00, 'dup');
-- expect error 23505
INSERT INTO n VALUES ('NaN', 'dup');
UPDATE n SET k = 2.5 WHERE k = 2.50;
SELECT * FROM n ORDER BY k;
UPDATE f8 SET v = 'z' WHERE k = '-0';
-- expect error 23505
INSERT INTO f8 VALUES ('-0', 'dup');
DELETE FROM f8 WHERE k = 'NaN';
INSERT INTO f8 VALUES ('NaN', 'again');
SELECT * FROM f8 ORDER BY k;
-- expect error 23505
INSERT INTO iv VALUES ('30 days', 'dup');
UPDATE iv SET k = '1 day' WHERE k = '24 hours';
SELECT * FROM iv ORDER BY k;
-- expect error 23505
INSERT INTO ch VALUES ('ab   ', 'dup');
UPDATE ch SET v = 'q' WHERE k = 'c ';
SELECT * FROM ch ORDER BY k;
UPDATE "A name of sixty-three bytes, with Capitals, blanks and é: 0123" SET "v "" w" = 'y';
SELECT * FROM "A name of sixty-three bytes, with Capitals, blanks and é: 0123";
UPDATE big SET v = v || 'x';
SELECT id, md5(v), length(v) FROM big;
UPDATE js SET j = '{"b": 2}' WHERE id = 1;
SELECT id, j::text, x::text, pt::text FROM js ORDER BY id;

-- expect error 23503
INSERT INTO b VALUES (4, 9, 9);
-- expect error 23503
INSERT INTO b VALUES (4, 1, NULL);
INSERT INTO b VALUES (4, NULL, NULL);
UPDATE a SET x = 10, y = 10 WHERE x = 1;
DELETE FROM a WHERE x = 2;
SELECT * FROM b ORDER BY id;
DELETE FROM tree WHERE id = 1;
SELECT * FROM tree ORDER BY id;
-- expect error 23503
INSERT INTO tree VALUES (5, 1, 99);
UPDATE o SET id = 10 WHERE id = 1;
SELECT * FROM l ORDER BY id;
UPDATE o SET id = 20 WHERE id = 2;
SELECT * FROM l ORDER BY id;
UPDATE p SET id = id + 1;
SELECT * FROM p ORDER BY id;
SELECT * FROM p ORDER BY id;
-- NULL is no duplicate
-- expect error 23502
UPDATE p SET id = NULL;
-- expect error 23502
UPDATE p SET id = NULL WHERE id = (SELECT min(id) FROM p);
