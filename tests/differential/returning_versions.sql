-- setup
-- shows: statements: RETURNING old and new, WITH (OLD AS …, NEW AS …)
-- needs: PostgreSQL 18
CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 7, g int GENERATED ALWAYS AS (n * 2) STORED);
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
CREATE TABLE s (id int PRIMARY KEY, v text, n int);
INSERT INTO s VALUES (2, 'S2', 20), (3, 'S3', 30), (4, 'S4', 40);
CREATE TABLE old (id int PRIMARY KEY, v text);
INSERT INTO old VALUES (1, 'o');
CREATE VIEW vw AS SELECT id AS vid, v AS vv FROM t WHERE id < 100;
-- script
UPDATE t SET n = n + 1 RETURNING old.n, new.n, n, old.g, new.g;
UPDATE t SET v = v || '!' WHERE id = 1 RETURNING old, new;
UPDATE t SET v = v || '!' WHERE id = 1 RETURNING old.*, new.*;
UPDATE t SET v = v || '!' WHERE id = 1 RETURNING *, old.v AS was, old.v || '->' || new.v, (old).n, row_to_json(old);
UPDATE t SET id = id + 10 WHERE id = 1 RETURNING old.id, new.id, id, old.*;
UPDATE t SET v = s.v FROM s WHERE s.id = t.id RETURNING old.v, new.v, s.v, s.*, *;
UPDATE t AS x SET n = 0 WHERE id = 2 RETURNING WITH (OLD AS o, NEW AS n) o.n, n.n, o.v, n.id, x.id;
UPDATE t AS x SET n = 5 WHERE id = 2 RETURNING WITH (OLD AS o) o.n, new.n, o.*;
INSERT INTO t (id, v) VALUES (50, 'new') RETURNING old.id, new.id, old.*, new.*, old, old IS NULL;
INSERT INTO t (id, v) VALUES (50, 'new') ON CONFLICT DO NOTHING RETURNING old.id, new.id;
INSERT INTO t (id, v) VALUES (51, 'new') ON CONFLICT DO NOTHING RETURNING old.id, new.id;
INSERT INTO t (id, v) VALUES (50, 'upd'), (52, 'ins') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING old.v, new.v;
INSERT INTO t (id, v) VALUES (2, 'again'), (53, 'ins') ON CONFLICT (id) DO UPDATE SET v = t.v || excluded.v, n = t.n + 1 WHERE t.id < 100 RETURNING old.*, new.*, old IS NULL, t.v;
INSERT INTO t (id, v) VALUES (53, 'moves') ON CONFLICT (id) DO UPDATE SET id = t.id + 10, v = excluded.v RETURNING old.id, new.id, old.v, new.g;
DELETE FROM t WHERE id = 63;
INSERT INTO t (id, v) VALUES (63, 'came back') ON CONFLICT (id) DO UPDATE SET v = 'not so' RETURNING old.id, new.v, old;
INSERT INTO vw VALUES (52, 'through'), (54, 'through') ON CONFLICT (vid) DO UPDATE SET vv = excluded.vv RETURNING old.vv, new.vv;
DELETE FROM t WHERE id = 50 RETURNING old.v, new.v, v, old.*, new.*, new;
DELETE FROM t USING s WHERE s.id = t.id AND s.id = 3 RETURNING old.v, s.v, new.id;
MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v || '+' WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v) RETURNING merge_action(), old.v, new.v, old.id, new.id, s.id;
WITH x AS (UPDATE t SET n = n + 1 RETURNING old.n AS a, new.n AS b) SELECT * FROM x ORDER BY a, b;
UPDATE old SET v = 'p' RETURNING old.v, new.v;
UPDATE vw SET vv = 'view' WHERE vid = 4 RETURNING old.vv, new.vv, old.*;
-- expect error 42703
UPDATE t SET v = 'z' WHERE id = 4 RETURNING old.nothing;
UPDATE t SET v = 'z' WHERE id = 4 RETURNING (SELECT old.v || max(s.v) FROM s);
SELECT * FROM t ORDER BY id;
