-- setup
-- shows: types: collations, non-deterministic ones too
CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (name text COLLATE ci PRIMARY KEY, s text COLLATE "C", u text COLLATE ci UNIQUE);
INSERT INTO t VALUES ('Ann', 'b', 'One'), ('bob', 'B', 'two'), ('CID', 'a', NULL);
-- script
-- expect error 23505
INSERT INTO t VALUES ('ANN', 'x', 'x');
-- expect error 23505
INSERT INTO t VALUES ('new', 'x', 'ONE');
UPDATE t SET s = 'z' WHERE name = 'BOB' RETURNING *;
DELETE FROM t WHERE name = 'cid' RETURNING *;
INSERT INTO t VALUES ('cid', 'A', 'TWO ') RETURNING *;
UPDATE t SET name = 'ANN' WHERE name = 'ann' RETURNING *;
SELECT * FROM t ORDER BY name;
SELECT s FROM t ORDER BY s;
SELECT name FROM t WHERE u = 'TWO';
SELECT count(DISTINCT name), max(s) FROM t;
-- a removed row that comes back has the key it came back with
DELETE FROM t WHERE name = 'bob';
INSERT INTO t VALUES ('BOB', 'n', 'four') ON CONFLICT (u) DO UPDATE SET s = 'hit' RETURNING *;
SELECT * FROM t ORDER BY name;
