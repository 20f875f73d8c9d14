-- setup
-- shows: statements: a change that names its row by the key
CREATE TABLE shelves (id int PRIMARY KEY, label text NOT NULL, size int CHECK (size > 0));
CREATE TABLE slots (shelf int, name text, taken boolean DEFAULT false, PRIMARY KEY (shelf, name));
CREATE TABLE prices (at numeric PRIMARY KEY, n int);
INSERT INTO shelves SELECT n, 'shelf ' || n, n FROM generate_series(1, 20) n;
INSERT INTO slots SELECT n, 'slot', false FROM generate_series(1, 5) n;
INSERT INTO prices VALUES (1.0, 1), (2, 2);
-- script

UPDATE shelves SET size = size + 1 WHERE id = 3;
UPDATE shelves SET size = size + 1 WHERE id = 3;
UPDATE shelves SET size = size + 1 WHERE id = 3.0;
UPDATE shelves SET size = size + 1 WHERE id = 3.5;
UPDATE shelves SET size = size + 1 WHERE id = 99999999999999999999;
UPDATE shelves SET size = size + 1 WHERE id = '3';
-- expect error 22P02
UPDATE shelves SET size = size + 1 WHERE id = 'three';
UPDATE shelves SET size = size + 1 WHERE id = 3 AND id = 4;
UPDATE shelves SET size = size + 1 WHERE id = 3 AND size = 1;
UPDATE shelves SET size = size + 1 WHERE id = NULL;
UPDATE shelves SET size = size + 1 WHERE 3 = id RETURNING *;
SELECT * FROM shelves WHERE id BETWEEN 2 AND 4 ORDER BY id;

DELETE FROM shelves WHERE id = 3 RETURNING id, label;
DELETE FROM shelves WHERE id = 3;
UPDATE shelves SET label = 'gone' WHERE id = 3;
INSERT INTO shelves VALUES (3, 'back', 7);
UPDATE shelves SET label = label || '!' WHERE id = 3 RETURNING *;
UPDATE shelves SET id = 30 WHERE id = 3;
UPDATE shelves SET label = 'moved' WHERE id = 3;
UPDATE shelves SET label = 'moved' WHERE id = 30;
-- expect error 23514
UPDATE shelves SET size = 0 WHERE id = 30;
SELECT * FROM shelves WHERE id IN (3, 30);

UPDATE shelves s SET label = o.label FROM shelves o WHERE s.id = 5 AND o.id = 30 RETURNING s.*, o.id;
UPDATE shelves SET label = (SELECT max(label) FROM shelves x WHERE x.id = 5) WHERE id = 6 RETURNING label;
WITH a AS (UPDATE shelves SET size = size + 10 WHERE id = 7 RETURNING size),
     b AS (DELETE FROM shelves WHERE id = 8 RETURNING id)
UPDATE shelves SET size = (SELECT size FROM a) + (SELECT id FROM b) WHERE id = 9 RETURNING *;
DELETE FROM shelves USING slots WHERE shelves.id = 10 AND slots.shelf = 1 AND slots.name = 'slot' RETURNING *;
SELECT * FROM shelves ORDER BY id;

UPDATE slots SET taken = true WHERE shelf = 2 AND name = 'slot';
UPDATE slots SET taken = NOT taken WHERE name = 'slot' AND shelf = 2 RETURNING *;
UPDATE slots SET name = 'other' WHERE shelf = 2 AND name = 'slot' RETURNING *;
DELETE FROM slots WHERE shelf = 2 AND name = 'slot';
DELETE FROM slots WHERE shelf = 2 AND name = 'other' AND taken RETURNING *;
DELETE FROM slots WHERE shelf = 3;
SELECT * FROM slots ORDER BY shelf, name;

UPDATE prices SET at = 1.00 WHERE at = 1;
UPDATE prices SET n = n + 1 WHERE at = 1.000 RETURNING *;
UPDATE prices SET n = n + 1 WHERE at::text = '1.0';
UPDATE prices SET n = n + 1 WHERE at::text = '1.00';
SELECT * FROM prices ORDER BY at;

BEGIN;
UPDATE shelves SET label = 'a' WHERE id = 11;
SAVEPOINT s;
DELETE FROM shelves WHERE id = 11;
UPDATE shelves SET label = 'b' WHERE id = 11;
ROLLBACK TO s;
UPDATE shelves SET label = label || 'c' WHERE id = 11 RETURNING label;
COMMIT;
SELECT label FROM shelves WHERE id = 11;
