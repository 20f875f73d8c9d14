-- setup
-- differs: an expression of constants that is longer than its column, or out of its range, where no row comes | no error | a constant or a parameter by itself is looked at
-- shows: errors: constants that their column does not take, where no row comes: found as the statement is planned
CREATE TABLE t (id int PRIMARY KEY, v varchar(3), c char(2), b bit(3), n numeric(4,1), s smallint, a varchar(2)[]);
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
SELECT * FROM t ORDER BY id;
