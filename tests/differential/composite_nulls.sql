-- setup
-- shows: constraints: NULL and a row of NULLs in unique keys, also under NULLS NOT DISTINCT
-- needs: PostgreSQL 15
CREATE TYPE pair AS (a int, b text);
CREATE TABLE alike (id char(4) PRIMARY KEY, p pair, n int, UNIQUE NULLS NOT DISTINCT (p));
CREATE TABLE apart (id int PRIMARY KEY, p pair UNIQUE, n int);
INSERT INTO alike VALUES ('a', NULL, 1), ('b', '(,)', 2), ('c', '(1,x)', 3);
INSERT INTO apart VALUES (1, NULL, 1), (2, NULL, 2), (3, '(,)', 3), (4, '(1,)', 4);
CREATE TYPE spot AS (x int, y text);
CREATE TABLE spots (at spot NOT NULL UNIQUE, n int);
INSERT INTO spots VALUES ('(,)', 1), ('(1,a)', 2);
-- script
UPDATE spots SET n = n + 10;
SELECT * FROM spots ORDER BY n;
DELETE FROM spots WHERE n = 11;
SELECT * FROM spots;
UPDATE alike SET id = id, n = n + 1 WHERE id = 'b' RETURNING *;
UPDATE alike SET n = 9 WHERE p IS NULL RETURNING id;
-- expect error 23505
INSERT INTO alike VALUES ('d', NULL, 4);
-- expect error 23505
INSERT INTO alike VALUES ('d', '(,)', 4);
INSERT INTO alike VALUES ('d', '(,)', 4) ON CONFLICT (p) DO UPDATE SET n = 40 RETURNING *;
INSERT INTO alike VALUES ('d', NULL, 4) ON CONFLICT (p) DO UPDATE SET n = 41 RETURNING *;
INSERT INTO apart VALUES (5, NULL, 5) ON CONFLICT (p) DO NOTHING RETURNING id;
INSERT INTO apart VALUES (6, '(,)', 6) ON CONFLICT (p) DO NOTHING RETURNING id;
INSERT INTO apart VALUES (7, '(,)', 7), (8, '(1,)', 8), (9, '(2,)', 9) ON CONFLICT (p) DO UPDATE SET n = excluded.n RETURNING *;
-- expect error 23505
INSERT INTO apart VALUES (10, '(2,)', 9);
SELECT * FROM alike ORDER BY id;
SELECT * FROM apart ORDER BY id;
