-- setup
-- shows: constraints: statements over many rows of a table that others follow by CASCADE
CREATE TABLE parent (id int PRIMARY KEY, code int UNIQUE, v int);
CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO parent SELECT n, n, n FROM generate_series(1, 300) n;
INSERT INTO child SELECT n, n FROM generate_series(1, 300) n;
-- script
INSERT INTO parent SELECT n, n, n FROM generate_series(1001, 1200) n;
UPDATE parent SET v = v + 1 WHERE id <= 200;
UPDATE parent SET code = -code WHERE id <= 200;
INSERT INTO parent SELECT n, n, n FROM generate_series(1101, 1300) n ON CONFLICT (id) DO UPDATE SET v = 0;
DELETE FROM parent WHERE id BETWEEN 101 AND 250;
SELECT count(*), sum(code), sum(v) FROM parent;
SELECT count(*) FROM child;
