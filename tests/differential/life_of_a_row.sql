-- setup
-- shows: sessions: a row inserted, changed, deleted, inserted again
CREATE TABLE t (id int PRIMARY KEY, v text, w int NOT NULL DEFAULT 3);
INSERT INTO t VALUES (1, 'base'), (2, 'base'), (3, 'base');
-- script
INSERT INTO t VALUES (10, 'new');
UPDATE t SET v = 'newer' WHERE id = 10;
SELECT * FROM t WHERE id = 10;
DELETE FROM t WHERE id = 10;
SELECT * FROM t WHERE id = 10;
INSERT INTO t VALUES (10, 'reborn', 4) RETURNING *;
UPDATE t SET v = 'one' WHERE id = 1;
UPDATE t SET v = v || ' two' WHERE id = 1 RETURNING v;
DELETE FROM t WHERE id = 1 RETURNING *;
UPDATE t SET v = 'ghost' WHERE id = 1;
INSERT INTO t (id, v) VALUES (1, 'back') RETURNING *;
UPDATE t SET w = w + 1 WHERE id = 1;
DELETE FROM t WHERE id = 2;
INSERT INTO t (id) VALUES (2);
DELETE FROM t WHERE id = 2;
UPDATE t SET id = 2 WHERE id = 3;
SELECT * FROM t ORDER BY id;
INSERT INTO t VALUES (3, 'in the place of the one that moved');
UPDATE t SET id = 30 WHERE id = 2;
UPDATE t SET id = 3 WHERE id = 30 AND false;
SELECT * FROM t ORDER BY id;
UPDATE t SET id = id + 1000;
SELECT * FROM t ORDER BY id;
UPDATE t SET id = id - 1000;
SELECT * FROM t ORDER BY id;
UPDATE t SET v = 'base', w = 3 WHERE id = 1;
SELECT count(*), min(id), max(id) FROM t;
