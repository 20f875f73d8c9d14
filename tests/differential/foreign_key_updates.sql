-- setup
-- shows: constraints: ON UPDATE with NO ACTION, CASCADE and SET NULL
-- differs: an UPDATE of a primary key that rows of other tables follow (ON UPDATE CASCADE), several keys at once | 0A000 | one statement cannot tell which child follows which row
CREATE TABLE p (id int PRIMARY KEY, v text);
CREATE TABLE coded (code text PRIMARY KEY);
CREATE TABLE both_keys (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE cas (id int PRIMARY KEY, p_id int REFERENCES p ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE code (id int PRIMARY KEY, p_code text REFERENCES coded ON UPDATE SET NULL);
CREATE TABLE grand (cas_id int REFERENCES cas ON UPDATE CASCADE, n int, PRIMARY KEY (cas_id, n));
CREATE TABLE follows (id int PRIMARY KEY, both_id int REFERENCES both_keys ON UPDATE CASCADE);
CREATE TABLE shifted (id int PRIMARY KEY, n int UNIQUE);
CREATE TABLE holds (id int PRIMARY KEY, shifted_id int REFERENCES shifted ON UPDATE RESTRICT, n int REFERENCES shifted (n) ON UPDATE RESTRICT);
CREATE TABLE lets (id int PRIMARY KEY, shifted_id int REFERENCES shifted);
INSERT INTO shifted VALUES (11, 21), (10, 20);
CREATE TABLE rates (rate numeric, per float8, PRIMARY KEY (rate, per));
CREATE TABLE rated (id int PRIMARY KEY, rate numeric, per float8, FOREIGN KEY (rate, per) REFERENCES rates ON UPDATE CASCADE);
CREATE TABLE sizes (size numeric PRIMARY KEY);
CREATE TABLE sized (id int PRIMARY KEY, size numeric REFERENCES sizes);
CREATE TABLE strict (id int PRIMARY KEY, size numeric REFERENCES sizes ON UPDATE RESTRICT);
INSERT INTO rates VALUES (1.0, '-0'), (2, 1);
INSERT INTO rated VALUES (1, 1.0, '-0'), (2, 1, 0), (3, 2, 1);
INSERT INTO sizes VALUES (1), (2);
INSERT INTO sized VALUES (1, 1);
INSERT INTO strict VALUES (1, 2);
INSERT INTO p SELECT n, 'v' || n FROM generate_series(1, 6) n;
INSERT INTO coded SELECT 'c' || n FROM generate_series(1, 6) n;
INSERT INTO cas SELECT n, 1 + n % 6 FROM generate_series(1, 12) n;
INSERT INTO code SELECT n, 'c' || n FROM generate_series(1, 6) n;
INSERT INTO grand SELECT 1 + n % 12, n FROM generate_series(1, 24) n;
INSERT INTO both_keys VALUES (1, 'a'), (2, 'b');
INSERT INTO follows VALUES (1, 1), (2, 2);
CREATE TABLE images (k float8 PRIMARY KEY, v text);
CREATE TABLE of_images (id int PRIMARY KEY, k float8 REFERENCES images ON UPDATE CASCADE);
INSERT INTO images VALUES ('-0', 'zero'), (1, 'one');
INSERT INTO of_images VALUES (1, '-0'), (2, 0), (3, 1);
CREATE TABLE exact (k numeric, part char(3), v text, PRIMARY KEY (k, part));
CREATE TABLE of_exact (id int PRIMARY KEY, k numeric, part char(3), FOREIGN KEY (k, part) REFERENCES exact ON UPDATE SET NULL);
INSERT INTO exact VALUES (1.0, 'a', 'x'), (2, 'b', 'y');
INSERT INTO of_exact VALUES (1, 1.00, 'a'), (2, 2, 'b');
-- script
UPDATE images SET k = 0 WHERE v = 'zero' RETURNING k::text;
SELECT id, k::text FROM of_images ORDER BY id;
UPDATE images SET v = v || '!', k = k;
UPDATE images SET k = '-0' WHERE v = 'zero!';
SELECT id, k::text FROM of_images ORDER BY id;
UPDATE exact SET k = 1.000 WHERE v = 'x';
UPDATE exact SET v = 'z' WHERE k = 2;
SELECT * FROM of_exact ORDER BY id;
SELECT * FROM exact ORDER BY k;
UPDATE p SET id = 100 WHERE id = 2;
SELECT * FROM cas ORDER BY id;
UPDATE coded SET code = 'changed' WHERE code = 'c3';
SELECT * FROM code ORDER BY id;
UPDATE cas SET id = id + 1000 WHERE id = 1 RETURNING *;
SELECT * FROM grand ORDER BY n;
INSERT INTO p VALUES (2, 'second');
INSERT INTO cas VALUES (50, 2);
UPDATE p SET id = 200, v = 'both' WHERE id = 2;
SELECT * FROM cas WHERE p_id = 200;
UPDATE p SET id = 4, v = 'same' WHERE id = 4;
UPDATE both_keys SET code = 'c' WHERE id = 1;
-- What a draft cannot follow yet.
-- expect refused 0A000
UPDATE both_keys SET id = 9 WHERE id = 2;
-- expect refused 0A000
UPDATE cas SET id = id + 5000 WHERE p_id = 100;
DELETE FROM grand WHERE cas_id IN (SELECT id FROM cas WHERE p_id = 100);
DELETE FROM cas WHERE p_id = 100;
DELETE FROM p WHERE id = 100;
SELECT * FROM p ORDER BY id;
SELECT * FROM cas ORDER BY id;
SELECT * FROM code ORDER BY id;
SELECT * FROM grand ORDER BY cas_id, n;
SELECT * FROM both_keys ORDER BY id;
-- RESTRICT does not ask whether another row takes the key; NO ACTION does
INSERT INTO lets VALUES (1, 11);
UPDATE shifted SET id = id + 1;
SELECT * FROM shifted ORDER BY id;
-- expect error 23503
UPDATE shifted SET id = id - 1 WHERE id = 11;
DELETE FROM lets;
INSERT INTO holds VALUES (1, 12, 21);
-- expect error 23503 or 23001
UPDATE shifted SET id = id + 1;
-- expect error 23503 or 23001
UPDATE shifted SET n = n + 1 WHERE id IN (10, 12);
-- keys that are equal and look different
UPDATE rates SET rate = 1.000 WHERE rate = 1;
SELECT * FROM rated ORDER BY id;
UPDATE rates SET per = '0' WHERE per = 0;
UPDATE rates SET rate = rate + 0.00;
SELECT * FROM rated ORDER BY id;
SELECT * FROM rates ORDER BY rate;
UPDATE sizes SET size = 1.0 WHERE size = 1;
-- expect error 23503 or 23001
UPDATE sizes SET size = 2.0 WHERE size = 2;
SELECT * FROM sizes ORDER BY size;
