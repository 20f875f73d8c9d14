-- setup
-- shows: statements: UPDATE and DELETE … WHERE CURRENT OF: cursors with FOR UPDATE and without, of several tables, WITH HOLD, over composite keys
-- differs: WHERE CURRENT OF a cursor that does not give the key's columns, or has NO SCROLL | 0A000 | the key of the cursor's row is read from what it gives
-- differs: WHERE CURRENT OF a cursor whose row has got another key since | 0A000 | the cursor knows the old key alone
-- differs: WHERE CURRENT OF a cursor whose row left its key, which another row of the transaction took | 0A000 | the cursor knows the key alone
-- differs: FETCH from a cursor FOR UPDATE of a row that the transaction changed behind it | gives the row as it was | PostgreSQL leaves it out; the draft's cursor does not lock rows
-- differs: FETCH BACKWARD from a cursor FOR UPDATE | gives rows, where PostgreSQL raises 55000 | the cursor is declared with SCROLL, so that its row can be asked for again
CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(5,2));
INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 10) i;
CREATE TABLE k (a text, b timestamptz, c "char", d numeric, x int, PRIMARY KEY (a, b, d));
INSERT INTO k VALUES ('a "q" \ b', '2020-01-01 10:00:00.123456+00', 'x', 1.50, 1), ('é', 'infinity', 'y', 'NaN', 2), ('', '0044-03-15 00:00:00+00 BC', 'y', -0.0, 3);
CREATE TABLE u (id int PRIMARY KEY, t_id int, w text);
INSERT INTO u SELECT i, i, 'w' || i FROM generate_series(1, 10) i;
CREATE TABLE nokey (a int);
INSERT INTO nokey VALUES (1), (2);
CREATE VIEW vw AS SELECT * FROM t;
CREATE TABLE p (id int, r text, v int, PRIMARY KEY (id, r)) PARTITION BY LIST (r);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('a');
CREATE TABLE p2 PARTITION OF p FOR VALUES IN ('b');
INSERT INTO p VALUES (1, 'a', 1), (2, 'b', 2);
-- script
-- origins differ
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t;
SAVEPOINT s;
-- expect error 24000
UPDATE t SET v = 'none' WHERE CURRENT OF c;
ROLLBACK TO s;
FETCH 2 FROM c;
UPDATE t SET v = 'two' WHERE CURRENT OF c RETURNING *;
UPDATE t SET v = v || '!' WHERE CURRENT OF c RETURNING *;
SELECT * FROM t ORDER BY id;
MOVE 1 FROM c;
DELETE FROM t WHERE CURRENT OF c RETURNING id;
DELETE FROM t WHERE CURRENT OF c RETURNING id;
UPDATE t SET v = 'x' WHERE CURRENT OF c;
FETCH c;
UPDATE t SET v = 'four' WHERE CURRENT OF c;
FETCH ALL FROM c;
SAVEPOINT s2;
-- expect error 24000
UPDATE t SET v = 'end' WHERE CURRENT OF c;
ROLLBACK TO s2;
CLOSE c;
-- expect error 34000
UPDATE t SET v = 'none' WHERE CURRENT OF c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT id, v FROM t WHERE id > 3 FOR UPDATE;
FETCH c;
UPDATE t SET v = 'fu' WHERE CURRENT OF c;
FETCH c;
DELETE FROM t WHERE CURRENT OF c;
DECLARE d CURSOR FOR SELECT u.id, u.w, t.id AS tid FROM t JOIN u ON u.t_id = t.id FOR UPDATE OF u;
FETCH 3 FROM d;
UPDATE u SET w = 'joined' WHERE CURRENT OF d RETURNING *;
SAVEPOINT s;
-- expect error 24000
UPDATE t SET v = 'no' WHERE CURRENT OF d;
ROLLBACK TO s;

ROLLBACK;
BEGIN;
DECLARE g CURSOR FOR SELECT count(*) FROM t GROUP BY v;
FETCH g;
SAVEPOINT s;
-- expect error 24000
UPDATE t SET v = 'no' WHERE CURRENT OF g;
ROLLBACK TO s;
DECLARE h CURSOR FOR SELECT DISTINCT id FROM t WHERE id IN (1, 2);
FETCH h;
SAVEPOINT s;
-- expect error 24000
UPDATE t SET v = 'no' WHERE CURRENT OF h;
ROLLBACK TO s;
DECLARE j CURSOR FOR SELECT t.id FROM t, u;
FETCH j;
SAVEPOINT s;
-- expect error 24000
UPDATE t SET v = 'no' WHERE CURRENT OF j;
ROLLBACK TO s;
-- expect error 0A000
UPDATE vw SET v = 'no' WHERE CURRENT OF j;
ROLLBACK TO s;
DECLARE f CURSOR FOR SELECT a.id FROM t a, t b FOR UPDATE;
FETCH f;
-- expect error 24000
UPDATE t SET v = 'no' WHERE CURRENT OF f;
ROLLBACK TO s;
-- expect error 34000
UPDATE t SET v = 'no' WHERE CURRENT OF "No such";
ROLLBACK;
BEGIN;
DECLARE k CURSOR FOR SELECT x, d, b, a FROM k;
FETCH k;
UPDATE k SET x = 11 WHERE CURRENT OF k RETURNING *;
FETCH k;
UPDATE k SET x = x * 10 WHERE CURRENT OF k RETURNING *;
FETCH k;
DELETE FROM k WHERE CURRENT OF k RETURNING *;
SELECT * FROM k ORDER BY x;
COMMIT;
BEGIN;
DECLARE "Odd ""Name" CURSOR FOR SELECT * FROM ONLY t ORDER BY id;
FETCH 3 FROM "Odd ""Name";
UPDATE t AS x SET v = u.w FROM u WHERE CURRENT OF "Odd ""Name";
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t;
FETCH 5 FROM c;
UPDATE t SET v = w FROM u WHERE CURRENT OF c;
DELETE FROM t USING u WHERE CURRENT OF c;
FETCH PRIOR FROM c;
FETCH PRIOR FROM c;
DELETE FROM t WHERE CURRENT OF c RETURNING *;
DECLARE p CURSOR FOR SELECT * FROM p;
FETCH 2 FROM p;
UPDATE p SET v = 22 WHERE CURRENT OF p RETURNING *;
UPDATE p2 SET v = 23 WHERE CURRENT OF p RETURNING *;
DECLARE w CURSOR WITH HOLD FOR SELECT * FROM t;
FETCH 2 FROM w;
UPDATE t SET v = 'hold' WHERE CURRENT OF w RETURNING *;
COMMIT;
BEGIN;
-- expect error 24000
UPDATE t SET v = 'hold' WHERE CURRENT OF w RETURNING *;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t WHERE id = 1;
FETCH c;
WITH x AS (UPDATE t SET v = 'cte' WHERE CURRENT OF c RETURNING *) SELECT * FROM x;
-- expect any or refused
UPDATE t SET id = 100 WHERE CURRENT OF c;
-- expect refused 0A000
UPDATE t SET v = 'moved' WHERE CURRENT OF c;
ROLLBACK;
SELECT * FROM t ORDER BY id;
BEGIN;
DECLARE c CURSOR FOR SELECT v FROM t;
FETCH c;
SAVEPOINT s;
-- expect refused 0A000
UPDATE t SET v = 'x' WHERE CURRENT OF c;
ROLLBACK TO s;
DECLARE e NO SCROLL CURSOR FOR SELECT * FROM t WHERE id = 2;
FETCH e;
SAVEPOINT s;
-- expect refused 0A000
UPDATE t SET v = 'x' WHERE CURRENT OF e;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t WHERE id IN (1, 2) ORDER BY id FOR UPDATE;
FETCH c;
UPDATE t SET id = 100 WHERE id = 1;
UPDATE t SET id = 1 WHERE id = 2;
-- expect refused 0A000
UPDATE t SET v = 'another' WHERE CURRENT OF c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t WHERE id = 1;
FETCH c;
DELETE FROM t WHERE CURRENT OF c;
INSERT INTO t VALUES (1, 'another');
-- expect refused 0A000
DELETE FROM t WHERE CURRENT OF c;
ROLLBACK;
-- batch
BEGIN; DECLARE c CURSOR FOR SELECT * FROM t WHERE id IN (6, 7) ORDER BY id FOR UPDATE; FETCH 1 FROM c; UPDATE t SET v = 'batch' WHERE CURRENT OF c; FETCH 1 FROM c; DELETE FROM t WHERE CURRENT OF c; COMMIT;
-- end
BEGIN;
DECLARE c CURSOR FOR SELECT *, xmin IS NULL FROM t WHERE id = 8;
FETCH c;
-- params: 'given', 1
UPDATE t SET v = $1, n = n + $2 WHERE CURRENT OF c RETURNING *;
SAVEPOINT s;
UPDATE t SET v = 'undone' WHERE CURRENT OF c;
ROLLBACK TO s;
UPDATE t SET v = v || '!' WHERE CURRENT OF c RETURNING *;
-- one cursor, two statements of one text
-- batch
UPDATE t SET n = 1 WHERE CURRENT OF c; UPDATE t SET n = n + 1 WHERE CURRENT OF c RETURNING n;
-- end
INSERT INTO t VALUES (11, 'new', 1);
DECLARE n CURSOR FOR SELECT * FROM t WHERE id > 10;
FETCH n;
UPDATE t SET v = 'newer' WHERE CURRENT OF n RETURNING *;
DELETE FROM t WHERE CURRENT OF n;
COMMIT;
SELECT * FROM t ORDER BY id;
