-- setup
-- shows: constraints: foreign keys of a table to itself
-- differs: constraint in 23503 of a row that rows of its own partitioned table refer to, in a partition that was added after the key | that of the partition's own key | PostgreSQL names the copy of the key that refers to the partition
CREATE TABLE parts (id int, up int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2) PARTITION BY RANGE (id);
CREATE TABLE parts_2a PARTITION OF parts_2 FOR VALUES FROM (0) TO (100);
ALTER TABLE parts ADD CONSTRAINT upwards FOREIGN KEY (up, k) REFERENCES parts (id, k);
CREATE TABLE parts_3 PARTITION OF parts FOR VALUES IN (3);
INSERT INTO parts VALUES (1, NULL, 1), (2, 1, 1), (3, NULL, 2), (4, 3, 2), (5, NULL, 1), (6, NULL, 3), (7, 6, 3);
CREATE TABLE e (id int PRIMARY KEY, boss int REFERENCES e ON DELETE CASCADE, name text);
CREATE TABLE f (id int PRIMARY KEY, up int REFERENCES f ON DELETE SET NULL);
CREATE TABLE g (id int PRIMARY KEY, up int REFERENCES g);
INSERT INTO e VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'aa'), (5, 4, 'aaa'), (6, 3, 'ba');
INSERT INTO f VALUES (1, NULL), (2, 1), (3, 1), (4, 2);
INSERT INTO g VALUES (1, NULL), (2, 1), (3, 2);
-- script
INSERT INTO e VALUES (7, 5, 'aaaa'), (8, 8, 'own boss');
WITH RECURSIVE tree AS (SELECT id, name, 0 AS depth FROM e WHERE boss IS NULL UNION ALL SELECT e.id, e.name, depth + 1 FROM e JOIN tree ON e.boss = tree.id) SELECT * FROM tree ORDER BY depth, id;
DELETE FROM e WHERE id = 2;
SELECT * FROM e ORDER BY id;
INSERT INTO e VALUES (2, 3, 'a again'), (9, 2, 'new');
DELETE FROM e WHERE id = 8;
DELETE FROM f WHERE id = 1 RETURNING *;
SELECT * FROM f ORDER BY id;
INSERT INTO f VALUES (10, 11), (11, 10);
DELETE FROM f WHERE id = 10;
SELECT * FROM f ORDER BY id;
-- expect error 23503
DELETE FROM g WHERE id = 1;
-- expect error 23503
INSERT INTO g VALUES (9, 8);
DELETE FROM g WHERE id IN (1, 2, 3);
INSERT INTO g VALUES (9, 8), (8, 9);
SELECT * FROM g ORDER BY id;
SELECT a.name, b.name AS boss FROM e a LEFT JOIN e b ON b.id = a.boss ORDER BY a.id;
DELETE FROM e WHERE boss IS NULL;
SELECT count(*) FROM e;
-- partitions
-- expect error 23503
INSERT INTO parts VALUES (8, 99, 1);
-- expect error 23503
INSERT INTO parts VALUES (8, 99, 2);
-- expect error 23503
INSERT INTO parts_2a VALUES (8, 99, 2);
-- expect error 23503
INSERT INTO parts VALUES (9, 99, 3);
-- expect error 23503
UPDATE parts SET up = 66 WHERE id = 7;
-- expect error 23503
DELETE FROM parts WHERE id = 1;
-- expect error 23503
DELETE FROM parts WHERE id = 3;
DELETE FROM parts WHERE id IN (6, 7);
SELECT * FROM parts ORDER BY id;
