-- setup
-- shows: sessions: statements prepared before their tables were changed
CREATE TABLE t (id int PRIMARY KEY, v int, k int);
CREATE TABLE u (id int PRIMARY KEY, v int);
INSERT INTO t SELECT n, n, n % 4 FROM generate_series(1, 50) n;
INSERT INTO u SELECT n, n * 100 FROM generate_series(1, 50) n;
-- script
-- params: 7
SELECT * FROM t WHERE id = $1;
SELECT count(*), sum(v) FROM t;
SELECT t.id, u.v FROM t JOIN u ON u.id = t.id WHERE t.k = 1 ORDER BY 1;
-- params: 1, 7
UPDATE t SET v = v + $1 WHERE id = $2;
-- params: 7
SELECT * FROM t WHERE id = $1;
SELECT count(*), sum(v) FROM t;
SELECT t.id, u.v FROM t JOIN u ON u.id = t.id WHERE t.k = 1 ORDER BY 1;
UPDATE u SET v = 0 WHERE id < 10;
SELECT t.id, u.v FROM t JOIN u ON u.id = t.id WHERE t.k = 1 ORDER BY 1;
-- params: 5, 8
UPDATE t SET v = v + $1 WHERE id = $2;
INSERT INTO t SELECT n, n, n % 4 FROM generate_series(51, 2000) n;
SELECT count(*), sum(v) FROM t;
SELECT t.id, u.v FROM t JOIN u ON u.id = t.id WHERE t.k = 1 ORDER BY 1;
BEGIN;
DELETE FROM t WHERE id > 20;
SELECT count(*), sum(v) FROM t;
ROLLBACK;
SELECT count(*), sum(v) FROM t;
-- params: 8
SELECT * FROM t WHERE id = $1;
