-- setup
-- differs: a row of 8136 bytes or more that TOAST cannot make smaller | 54000 from 8136 bytes on, not from 8160; with SET STORAGE PLAIN the commit says so | the head's rows have columns of the draft's, and the storage of columns is the type's
-- differs: a row for which the expression or predicate of an index that is not unique fails | taken; the commit says so | heads have indexes over columns and for unique keys alone
-- shows: types: large values (TOAST)
CREATE TABLE big (id int PRIMARY KEY, k int NOT NULL, v text, n numeric);
CREATE INDEX big_k ON big (k);
CREATE TABLE child (id int PRIMARY KEY, big_id int NOT NULL REFERENCES big);
INSERT INTO big SELECT n, n % 1000, 'value ' || n, n * 0.5 FROM generate_series(1, 100000) n;
INSERT INTO child SELECT n, n FROM generate_series(1, 50) n;
ANALYZE;
-- script
UPDATE big SET v = v || '!', n = n + 1;
SELECT count(*), sum(n), min(v), max(v) FROM big;
DELETE FROM big WHERE id % 2 = 0 AND id > 50;
SELECT count(*), sum(id), sum(n) FROM big;
INSERT INTO big SELECT n, n % 1000, 'new ' || n, n FROM generate_series(100001, 150000) n;
SELECT count(*), sum(id), sum(k) FROM big;
SELECT id, v, n FROM big WHERE id = 77777;
SELECT id, v FROM big WHERE k = 17 ORDER BY id LIMIT 5;
SELECT * FROM big ORDER BY id DESC LIMIT 3;
SELECT k, count(*) FROM big WHERE k < 5 GROUP BY k ORDER BY k;
-- expect error 23503
DELETE FROM big WHERE id = 7;
-- expect error 23505
INSERT INTO big SELECT n, 1, 'x', 1 FROM generate_series(149990, 150010) n ORDER BY n;
UPDATE big SET n = n * 2 WHERE k BETWEEN 100 AND 110;
SELECT sum(n), count(*) FILTER (WHERE v LIKE 'new%') FROM big;
SELECT b.id, c.id FROM big b JOIN child c ON c.big_id = b.id WHERE b.id < 10 ORDER BY 1;
BEGIN;
DELETE FROM child;
DELETE FROM big;
SELECT count(*) FROM big;
ROLLBACK;
SELECT count(*) FROM big;
SELECT id, v, n FROM big WHERE id > 149000 ORDER BY id;
