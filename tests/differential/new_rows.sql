-- setup
-- shows: constraints: rows added beside changed, removed and truncated ones
CREATE TABLE area (id int PRIMARY KEY, code text UNIQUE, twin text UNIQUE);
CREATE TABLE shelf (id int PRIMARY KEY, area_id int REFERENCES area, code text REFERENCES area (code), above int REFERENCES shelf, label text UNIQUE);
CREATE TABLE pair (a int, b int, UNIQUE (a, b), x bigint, y smallint, id serial PRIMARY KEY);
CREATE TABLE whole (id int PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES pair (a, b) MATCH FULL);
INSERT INTO area SELECT n, 'c' || n, 't' || n FROM generate_series(1, 9) n;
INSERT INTO shelf SELECT n, n, 'c' || n, nullif(n - 1, 0), 'l' || n FROM generate_series(1, 5) n;
INSERT INTO pair VALUES (1, 1), (1, 2), (2, NULL);
-- script
-- a key that the table has, one that the draft freed, one that it took
-- expect error 23505
INSERT INTO shelf VALUES (1, 1, 'c1', 1, 'new');
DELETE FROM shelf WHERE id = 5;
INSERT INTO shelf VALUES (5, 9, 'c9', 4, 'l5');
UPDATE shelf SET label = 'm4' WHERE id = 4;
INSERT INTO shelf VALUES (40, 4, 'c4', 4, 'l4');
-- expect error 23505
INSERT INTO shelf VALUES (41, 4, 'c4', 4, 'm4');
-- expect error 23505
INSERT INTO shelf VALUES (42, 4, 'c4', 4, 'l3');
-- expect error 23505
INSERT INTO shelf VALUES (43, 4, 'c4', 4, 'same'), (44, 4, 'c4', 4, 'same');
-- two faults of one row, and of two
-- expect error 23505
INSERT INTO shelf VALUES (2, 77, 'nowhere', 88, 'l2');
-- expect error 23503
INSERT INTO shelf VALUES (45, 77, 'c4', 4, NULL), (46, 4, 'nowhere', 4, NULL);
-- what is referred to: unchanged, changed, added, moved, removed, back
INSERT INTO shelf VALUES (50, 6, 'c6', NULL, NULL);
UPDATE area SET twin = 'u7' WHERE id = 7;
INSERT INTO shelf VALUES (51, 7, 'c7', NULL, NULL);
INSERT INTO area VALUES (20, 'c20', 't20');
INSERT INTO shelf VALUES (52, 20, 'c20', NULL, NULL);
UPDATE area SET code = 'd8' WHERE id = 8;
-- expect error 23503
INSERT INTO shelf VALUES (53, 8, 'c8', NULL, NULL);
INSERT INTO shelf VALUES (53, 8, 'd8', NULL, NULL);
INSERT INTO area VALUES (21, 'c8', 't21');
INSERT INTO shelf VALUES (54, 21, 'c8', NULL, NULL);
-- expect error 23503
DELETE FROM area WHERE id = 21;
INSERT INTO area VALUES (30, 'c30', NULL), (31, NULL, NULL);
DELETE FROM area WHERE id = 30;
-- expect error 23503
INSERT INTO shelf VALUES (55, 30, NULL, NULL, NULL);
-- expect error 23503
INSERT INTO shelf VALUES (55, NULL, 'c30', NULL, NULL);
INSERT INTO area VALUES (30, 'c30', 't30');
INSERT INTO shelf VALUES (55, 30, 'c30', NULL, NULL);
-- rows of one statement that refer to each other, and more of them than are looked at one by one
INSERT INTO shelf VALUES (60, NULL, NULL, 61, NULL), (61, NULL, NULL, 60, NULL), (62, NULL, NULL, 62, NULL);
-- expect error 23503
INSERT INTO shelf VALUES (63, NULL, NULL, 64, NULL);
INSERT INTO shelf SELECT 1000 + n, 1 + n % 7, 'c' || 1 + n % 7, nullif(1000 + n - n % 10, 1000 + n), 'x' || n FROM generate_series(0, 149) n;
-- expect error 23505
INSERT INTO shelf SELECT 2000 + n, 1, 'c1', 1, 'y' || n % 149 FROM generate_series(1, 150) n;
-- expect error 23503
INSERT INTO shelf SELECT 2000 + n, 1 + n / 140, 'c1', CASE n WHEN 77 THEN 5000 ELSE 2000 + n END, 'y' || n FROM generate_series(1, 150) n;
-- several columns
INSERT INTO whole VALUES (1, 1, 1), (2, NULL, NULL);
-- expect error 23503
INSERT INTO whole VALUES (3, 1, NULL);
-- expect error 23503
INSERT INTO whole VALUES (3, 2, 2);
-- expect error 23505
INSERT INTO pair VALUES (1, 1);
INSERT INTO pair VALUES (2, NULL), (2, NULL), (2, 2);
INSERT INTO whole VALUES (3, 2, 2);
-- adding and changing in one statement
INSERT INTO shelf VALUES (1, 9, 'c9', 2, 'l1'), (70, 9, 'c9', 1, 'l70') ON CONFLICT (id) DO UPDATE SET area_id = EXCLUDED.area_id;
-- expect error 23503
INSERT INTO shelf VALUES (1, 99, 'c9', 2, 'l1'), (71, 9, 'c9', 1, 'l71') ON CONFLICT (id) DO UPDATE SET area_id = EXCLUDED.area_id;
-- a table that is empty in the draft
TRUNCATE whole, pair;
-- expect error 23503
INSERT INTO whole VALUES (1, 1, 1);
INSERT INTO pair VALUES (1, 1);
INSERT INTO whole VALUES (1, 1, 1), (2, 1, 1);
-- expect error 23505
INSERT INTO pair VALUES (1, 1);
SELECT * FROM shelf ORDER BY id;
SELECT a, b FROM pair ORDER BY a, b;
SELECT * FROM whole ORDER BY id;
