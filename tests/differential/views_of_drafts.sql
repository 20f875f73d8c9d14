-- setup
-- shows: tables: views over changed tables
CREATE TABLE t (id int PRIMARY KEY, v int, tag text);
CREATE VIEW tv AS SELECT id, v, upper(tag) AS tag FROM t WHERE v > 3;
CREATE VIEW tvv AS SELECT tag, count(*) AS n, sum(v) AS total FROM tv GROUP BY tag;
INSERT INTO t SELECT n, n * n, 'tag' || n % 3 FROM generate_series(1, 10) n;
-- script
SELECT * FROM tv ORDER BY id;
UPDATE t SET v = v + 1000 WHERE id = 3;
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (20, 5, 'new');
SELECT * FROM tv ORDER BY id;
SELECT * FROM tvv ORDER BY tag;
SELECT a.id, b.n FROM tv a JOIN tvv b ON b.tag = a.tag ORDER BY 1;
SELECT x.* FROM tv x, t WHERE t.id = x.id AND x.id > 8 ORDER BY 1;
