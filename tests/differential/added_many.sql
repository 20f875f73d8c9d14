-- setup
-- shows: statements: more than a hundred rows added by one statement, again and again within one operation, among removed and changed ones, by INSERT and COPY
CREATE TABLE part (id int PRIMARY KEY, code text UNIQUE, n int NOT NULL CHECK (n < 1000000));
CREATE TABLE piece (id int PRIMARY KEY, part int REFERENCES part);
CREATE TABLE word (word text, lang char(4), n int, PRIMARY KEY (word, lang));
INSERT INTO part SELECT g, 'c' || g, g FROM generate_series(1, 20) g;
INSERT INTO word SELECT 'w' || g, 'de', g FROM generate_series(1, 150) g;
-- script
BEGIN;
DELETE FROM part WHERE id <= 10;
INSERT INTO part SELECT g, 'd' || g, g FROM generate_series(101, 350) g;
DELETE FROM part WHERE id BETWEEN 120 AND 260;
INSERT INTO part SELECT g, 'e' || g, g FROM generate_series(-200, 5) g;
INSERT INTO part SELECT g, 'f' || g, g FROM generate_series(120, 260) g;
UPDATE part SET n = n + 1 WHERE id > 100;
SELECT count(*), sum(n), min(code), max(code) FROM part;
SAVEPOINT a;
-- expect error 23505
INSERT INTO part SELECT g, 'g' || g, g FROM generate_series(200, 500) g;
ROLLBACK TO a;
-- expect error 23505
INSERT INTO part SELECT g, CASE g WHEN 1400 THEN 'c20' ELSE 'h' || g END, g FROM generate_series(1000, 1500) g;
ROLLBACK TO a;
COMMIT;
INSERT INTO piece SELECT g, 101 + g FROM generate_series(1, 200) g;
-- expect error 23503
INSERT INTO piece SELECT g, CASE g WHEN 300 THEN 999 ELSE 150 END FROM generate_series(201, 350) g;
BEGIN;
DELETE FROM word;
INSERT INTO word SELECT 'w' || g, 'de', g + 1 FROM generate_series(1, 150) g;
DELETE FROM word WHERE n > 10;
INSERT INTO word SELECT 'w' || g, 'de  ', g + 2 FROM generate_series(11, 300) g;
COMMIT;
SELECT count(*), sum(n), max(word) FROM word;
BEGIN;
DELETE FROM part WHERE id = 20;
COPY part FROM STDIN;
7	copied	7
20	again	20
600	six	6
\.
DELETE FROM part WHERE id IN (7, 600);
COPY part FROM STDIN;
600	seven	7
601	eight	8
\.
SAVEPOINT a;
-- expect error 23505
COPY part FROM STDIN;
700	new	1
601	taken	2
\.
ROLLBACK TO a;
-- expect error 23505
COPY part FROM STDIN;
700	new	1
701	eight	2
\.
ROLLBACK TO a;
COMMIT;
SELECT count(*), sum(n) FROM part;
SELECT * FROM part WHERE id IN (6, 7, 20) OR id >= 600 ORDER BY id;
