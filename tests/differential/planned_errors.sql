-- setup
-- differs: elements of an array that are longer than its column takes, made of constants, where no row comes | no error | they are looked at when a row comes
-- shows: errors: constants, and what is made of them, that their column does not take, where no row comes: found as the statement is planned
-- needs: PostgreSQL 15
CREATE TABLE t (id int PRIMARY KEY, v varchar(3), c char(2), b bit(3), n numeric(4,1), s smallint, a varchar(2)[]);
CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'bad');
CREATE TABLE d (id int PRIMARY KEY, d short, ds short[], x text);
INSERT INTO d VALUES (1, 'a', '{a}', 'x');
INSERT INTO t SELECT i, 'v' || i, 'c', '101', i, i, '{a}' FROM generate_series(1, 3) i;
-- script
UPDATE t SET n = 3 WHERE id = 1;
-- expect error 22001
UPDATE t SET v = 'too long' WHERE false;
-- expect error 22001
UPDATE t SET v = 'too long' WHERE id = -4 RETURNING *;
-- expect error 22001
UPDATE t SET (id, c) = (1, 'long') WHERE id = -4;
-- expect error 22026
UPDATE t SET b = '10101' WHERE id = -4;
-- expect error 22003
UPDATE t SET n = 100000 WHERE id = -4;
-- expect error 22003
UPDATE t SET s = 70000 WHERE id = -4;
-- expect error 22P02
UPDATE t SET s = 'x' WHERE id = -4;
-- expect error 22012
UPDATE t SET s = 1 / 0 WHERE id = -4;
-- expect error 22001
INSERT INTO t VALUES (1, 'v') ON CONFLICT (id) DO UPDATE SET v = 'too long' WHERE t.id = 2;
-- expect error 22001
MERGE INTO t USING (SELECT 1 AS x WHERE false) s ON t.id = s.x WHEN MATCHED THEN UPDATE SET v = 'too long';
-- params: 'too long'
-- expect error 22001
UPDATE t SET v = $1 WHERE id = -4;
-- params: 'abc   ', '11.25'
UPDATE t SET v = $1, n = $2 WHERE id = 1 RETURNING *;
UPDATE t SET v = 'abc     ', c = 'd     ', n = 7.77, b = '011' WHERE id = 2 RETURNING *;
UPDATE t SET v = NULL, n = NULL, c = NULL WHERE id = 3 RETURNING *;
-- params: NULL
UPDATE t SET v = $1 WHERE id = 1 RETURNING *;
-- expressions
-- expect error 22001
UPDATE t SET v = 'x' || 'long' WHERE false;
-- expect error 22001
UPDATE t SET v = repeat('x', 5) WHERE id = -4;
-- expect error 22001
UPDATE t SET c = CASE WHEN true THEN 'abc' ELSE v END WHERE id = -4;
-- expect error 22001
UPDATE t SET c = coalesce('abc', v) WHERE id = -4;
UPDATE t SET c = coalesce(v, 'abc') WHERE id = -4;
UPDATE t SET v = current_user || 'long' WHERE id = -4;
-- expect error 22001
UPDATE t SET (v, n) = (lower('LONG'), 1) WHERE id = -4;
UPDATE t SET (v, n) = (SELECT lower('LONG'), 1) WHERE id = -4;
-- expect error 22003
UPDATE t SET n = 100 * 100 WHERE id = -4;
-- expect error 22003
UPDATE t SET s = 7 * 10000 WHERE id = -4;
-- expect error 22001
UPDATE d SET d = 'lo' || 'ng' WHERE id = -4;
UPDATE d SET d = 'b' || 'ad' WHERE id = -4;
-- expect error 23514
UPDATE d SET d = 'b' || 'ad' WHERE id = 1;
-- expect error 22001
UPDATE d SET ds = ARRAY['lo' || 'ng'] WHERE id = 1;
UPDATE d SET ds = ARRAY['a' || 'b', 'c'], x = true, d = id || 'b' WHERE id = 1 RETURNING *;
-- expect error 22001
INSERT INTO t VALUES (1, 'v') ON CONFLICT (id) DO UPDATE SET v = 'x' || 'long' WHERE false;
-- expect error 22001
MERGE INTO t USING (SELECT 1 AS x WHERE false) s ON t.id = s.x WHEN MATCHED THEN UPDATE SET v = 'x' || 'long';
-- expect error 22001
MERGE INTO t USING (SELECT 1 AS x WHERE false) s ON t.id = s.x WHEN NOT MATCHED THEN INSERT (id, v) VALUES (9, 'x' || 'long');
UPDATE t SET v = 'xy' || 'z   ', c = id, n = id * 1.26, s = id::bigint, b = b & '110' WHERE id = 1 RETURNING *;
-- expect error 22003
UPDATE t SET s = id * 100000 WHERE id = 1;
SELECT * FROM t ORDER BY id;
