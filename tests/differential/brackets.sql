-- setup
-- shows: queries: output columns in brackets: columns, whole rows, stars, system columns, functions in SQL
CREATE TABLE t (id int PRIMARY KEY, v text, n int);
CREATE TABLE u (id int PRIMARY KEY, t_id int REFERENCES t, w text);
CREATE VIEW shown AS SELECT id, v FROM t;
CREATE FUNCTION v_of(int) RETURNS text STABLE LANGUAGE sql AS 'SELECT v FROM t WHERE id = $1';
CREATE FUNCTION all_of(int) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT id FROM t WHERE id >= $1 ORDER BY id';
INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
INSERT INTO u VALUES (1, 1, 'x'), (2, 2, 'y');
-- script
UPDATE t SET v = 'bb' WHERE id = 2;
SELECT (t.*) FROM t ORDER BY id;
SELECT ((t.*)), (ctid) IS NULL, ((tableoid)) = 't'::regclass FROM t ORDER BY id;
SELECT (t), ((t.v)), (id) FROM t ORDER BY id;
SELECT DISTINCT ON (n) (t.*), ((n)) FROM t ORDER BY n;
SELECT (xmin) IS NULL FROM t ORDER BY id;
SELECT q.tableoid = 't'::regclass FROM (SELECT (tableoid), ((t.*)) FROM t) q ORDER BY id;
SELECT (v_of(2)), ((v_of(id))) FROM t ORDER BY id;
SELECT v_of FROM (SELECT (v_of(2))) q;
SELECT (all_of(2));
SELECT ROW((t.*)) IS NULL, ROW(t.*), row_to_json((t)) FROM t ORDER BY id;
SELECT (s.*), (u.w) FROM shown s JOIN u ON u.t_id = s.id ORDER BY 1;
INSERT INTO t VALUES (4, 'd', 4) RETURNING (t.*), ((id)), (t), (ctid) IS NULL;
INSERT INTO t VALUES (4, 'e', 5) ON CONFLICT (id) DO UPDATE SET v = (excluded.v), n = ((t.n)) + 1 RETURNING (t.*);
UPDATE t SET n = n + 1 FROM u WHERE u.t_id = t.id RETURNING (u.*), (u.w), ((t.*)), (t.id);
WITH x AS (UPDATE t SET n = n + 1 FROM u WHERE u.t_id = t.id RETURNING (u.w), (t.tableoid), (t.id)) SELECT w, id FROM x ORDER BY id;
DELETE FROM t USING u WHERE t.id = 4 AND u.id = 1 RETURNING (t.*), (u.*);
UPDATE shown SET v = 'z' WHERE id = 3 RETURNING (shown.*), (shown);
