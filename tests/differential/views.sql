-- setup
-- shows: tables: views over unchanged tables
CREATE TABLE t (id int PRIMARY KEY, v int, tag text);
CREATE TABLE clean (id int PRIMARY KEY, v int);
CREATE VIEW clean_view AS SELECT id, v * 2 AS double FROM clean;
CREATE VIEW nested_view AS SELECT count(*) AS n, max(double) AS most FROM clean_view;
INSERT INTO t SELECT n, n * n, 'tag' || n % 3 FROM generate_series(1, 10) n;
INSERT INTO clean SELECT n, n FROM generate_series(1, 5) n;
-- script
UPDATE t SET v = -1 WHERE id = 3;
SELECT * FROM clean_view ORDER BY id;
SELECT * FROM nested_view;
SELECT t.id, c.double FROM t JOIN clean_view c USING (id) WHERE t.v < 5 ORDER BY 1;
SELECT * FROM clean_view WHERE id IN (SELECT id FROM t WHERE v = -1);
WITH clean_view AS (SELECT 1 AS one) SELECT * FROM clean_view;
INSERT INTO t SELECT id + 100, double, 'view' FROM clean_view;
SELECT * FROM t ORDER BY id;
