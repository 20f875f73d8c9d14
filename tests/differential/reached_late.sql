-- setup
-- needs: PostgreSQL 15
-- shows: constraints: tables that an action reaches for the first time late in a transaction, behind changes of the table that others refer to
CREATE TABLE hub (id int PRIMARY KEY, code text UNIQUE, n int NOT NULL DEFAULT 0);
CREATE TABLE part (id int PRIMARY KEY, hub_id int NOT NULL REFERENCES hub ON DELETE CASCADE ON UPDATE CASCADE, n int CHECK (n > 0));
CREATE TABLE leaf (id int PRIMARY KEY, part_id int REFERENCES part ON DELETE SET NULL);
CREATE TABLE tag (code text REFERENCES hub (code) ON UPDATE CASCADE ON DELETE SET DEFAULT DEFAULT 'none', w int PRIMARY KEY);
CREATE TABLE keeps (id int PRIMARY KEY, leaf_id int REFERENCES leaf);
CREATE TABLE lines (hub_id int REFERENCES hub ON DELETE CASCADE, v text);
INSERT INTO hub VALUES (0, 'none', 0), (1, 'a', 1), (2, 'b', 2), (3, NULL, 3), (4, 'd', 4);
INSERT INTO part VALUES (10, 1, 1), (11, 1, 2), (20, 2, 3), (30, 3, 4);
INSERT INTO leaf VALUES (100, 10), (101, 11), (200, 20), (300, 30);
INSERT INTO keeps VALUES (1, 300);
INSERT INTO tag VALUES ('a', 1), ('b', 2);
INSERT INTO lines VALUES (4, 'x');
-- script
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO hub VALUES (5, 'e', 5) ON CONFLICT (id) DO UPDATE SET n = 9;
UPDATE hub SET n = n + 1 WHERE id IN (1, 2);
SAVEPOINT a;
DELETE FROM hub WHERE id = 1;
SELECT * FROM leaf ORDER BY id;
SELECT * FROM tag ORDER BY w;
ROLLBACK TO a;
SELECT * FROM part ORDER BY id;
UPDATE hub SET code = 'bb' WHERE id = 2;
SELECT * FROM tag ORDER BY w;
COMMIT;
BEGIN;
UPDATE hub SET n = 7 WHERE id = 3;
UPDATE hub SET id = 33 WHERE id = 3;
SELECT * FROM part ORDER BY id;
DELETE FROM part WHERE hub_id = 33;
SELECT * FROM leaf ORDER BY id;
COMMIT;
MERGE INTO hub USING (VALUES (1), (6)) s (id) ON hub.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'f', 1);
SELECT * FROM part ORDER BY id;
WITH gone AS (DELETE FROM hub WHERE id = 2 RETURNING id) SELECT * FROM gone;
SELECT * FROM hub ORDER BY id;
SELECT * FROM part ORDER BY id;
SELECT * FROM leaf ORDER BY id;
SELECT * FROM tag ORDER BY w;
