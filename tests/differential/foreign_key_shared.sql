-- setup
-- shows: constraints: a foreign key that shares a column with the primary key, ON DELETE SET NULL (columns)
-- needs: PostgreSQL 15
CREATE TABLE parent (id int, kind text, PRIMARY KEY (id, kind), UNIQUE (kind, id));
CREATE TABLE kid (id int PRIMARY KEY, pid int, kind text DEFAULT 'k' CHECK (kind = 'k'), FOREIGN KEY (kind, pid) REFERENCES parent (kind, id) ON UPDATE CASCADE ON DELETE SET NULL (pid));
INSERT INTO parent SELECT n, 'k' FROM generate_series(1, 5) n; INSERT INTO kid (id, pid) SELECT n, n FROM generate_series(1, 5) n;
-- script
UPDATE parent SET id = 101 WHERE id = 1;
UPDATE parent SET id = 102 WHERE id = 2;
SELECT * FROM kid ORDER BY id;
DELETE FROM parent WHERE id = 3;
SELECT * FROM kid ORDER BY id;
-- expect error 23514
UPDATE parent SET kind = 'z' WHERE id = 102;
