-- setup
-- shows: errors: SQLSTATE, message, detail, position of the client's own text
-- differs: `current_user`, `session_user` | the agents' role | every agent's upstream connection has that role
CREATE TABLE t (id int PRIMARY KEY, name text, total numeric);
CREATE TABLE u (id int PRIMARY KEY, t_id int);
INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2);
-- script
UPDATE t SET name = 'dirty' WHERE id = 1;
INSERT INTO u VALUES (1, 1);
-- expect error 42601
SELEC 1;
-- expect error 42601
SELECT * FROM;
-- expect error 42601
-- batch
SELECT 'unterminated FROM t WHERE id = 1;
-- end
-- expect error 42601
SELECT (1 + 2 FROM t;
-- expect error 42601
UPDATE t SET WHERE id = 1;
-- expect error 42601
INSERT INTO t VALUES 1, 2;
-- expect error 42703
SELECT nmae FROM t;
-- expect error 42703
SELECT t.id, 'ü', t.nope FROM t;
-- expect error 42703
SELECT id FROM t WHERE nope = 1;
-- expect error 42703
SELECT id FROM t ORDER BY nope;
-- expect error 42P01
SELECT * FROM missing;
-- expect error 42P01
SELECT * FROM t, missing AS m;
-- expect error 42P01
SELECT x.id FROM t;
-- expect error 42702
SELECT id FROM t JOIN u ON t.id = t_id;
-- expect error 42883
SELECT nofunction(id) FROM t;
-- expect error 42883
SELECT id || 1 = name FROM t WHERE total LIKE 5;
-- expect error 42883
SELECT name + 1 FROM t;
-- expect error 42804
SELECT CASE WHEN id THEN 1 END FROM t;
-- expect error 42804
SELECT * FROM t WHERE id;
-- expect error 22P02
SELECT * FROM t WHERE id = 'abc';
-- expect error 22P02
SELECT name::int FROM t WHERE id = 2;
-- expect error 42704
SELECT id::nosuchtype FROM t;
-- expect error 42P10
SELECT DISTINCT name FROM t ORDER BY total;
-- expect error 42712
SELECT * FROM t, t;
-- expect error 42601
SELECT * FROM t WHERE;
-- expect error 42601
SELECT * FROM t LIMIT 1 LIMIT 2;
-- expect error 42846
SELECT total::date FROM t;
-- expect error 22012
SELECT total / 0 FROM t WHERE id = 1;
-- expect error 42703
UPDATE t SET total = totl + 1 WHERE id = 1;
-- expect error 42703
DELETE FROM t WHERE t.nmae = 'x';
-- expect error 42703
INSERT INTO t (id, nmae) VALUES (1, 'x');
-- expect error 42703
UPDATE t SET name = 'é' || nope RETURNING id;
-- expect error 42703
INSERT INTO t (id) VALUES (9) RETURNING nope;
-- expect error 42P02
SELECT $1::int;
-- expect error 42704
SHOW nonexistent.setting;
-- expect error 22023
SET datestyle = 'nonsense';
-- expect error 34000
CLOSE missing;
SELECT * FROM t ORDER BY id;
