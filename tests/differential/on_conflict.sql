-- setup
-- shows: statements: INSERT with ON CONFLICT DO NOTHING and DO UPDATE
-- differs: hint of 42703 for a system column of `excluded` | none | the draft says itself that it is not there
CREATE TABLE t (id int PRIMARY KEY, email text UNIQUE, v int NOT NULL DEFAULT 0, CHECK (v < 1000));
INSERT INTO t SELECT n, 'm' || n, n FROM generate_series(1, 5) n;
CREATE TABLE excluded (id int PRIMARY KEY, v text);
-- script
INSERT INTO excluded VALUES (1, 'a');
-- expect error 23505
INSERT INTO excluded AS e VALUES (1, 'a') RETURNING e.id, v;
INSERT INTO excluded AS e VALUES (1, 'b'), (2, 'c') ON CONFLICT (id) DO UPDATE SET v = excluded.v || e.v RETURNING *;
UPDATE excluded SET v = excluded.v || '!' WHERE excluded.id = 2;
UPDATE excluded e SET v = e.v || '!' WHERE e.id = 2;
DELETE FROM excluded AS e WHERE id = 1 RETURNING e.*;
INSERT INTO t VALUES (1, 'x', 1) ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (1, 'x', 1) ON CONFLICT (id) DO NOTHING RETURNING *;
INSERT INTO t VALUES (9, 'm1', 1) ON CONFLICT (email) DO NOTHING;
INSERT INTO t VALUES (1, 'x', 50) ON CONFLICT (id) DO UPDATE SET v = excluded.v + t.v RETURNING *;
INSERT INTO t AS old VALUES (1, 'x', 50), (10, 'm10', 10) ON CONFLICT (id) DO UPDATE SET v = old.v + 1, email = excluded.email WHERE old.v > 0 RETURNING old.id, old.v;
INSERT INTO t VALUES (11, 'm2', 7) ON CONFLICT (email) DO UPDATE SET v = excluded.v * 10;
INSERT INTO t VALUES (10, 'other', 5) ON CONFLICT ON CONSTRAINT t_pkey DO UPDATE SET v = 500;
DELETE FROM t WHERE id = 3;
INSERT INTO t VALUES (3, 'm3', 33) ON CONFLICT (id) DO UPDATE SET v = -1 RETURNING *;
INSERT INTO t VALUES (3, 'm3', 34) ON CONFLICT (id) DO UPDATE SET v = -1 RETURNING *;
-- expect error 23505
INSERT INTO t VALUES (4, 'm5', 1) ON CONFLICT (id) DO UPDATE SET email = 'm5';
-- expect error 23505
INSERT INTO t VALUES (20, 'm5', 1) ON CONFLICT (id) DO NOTHING;
-- expect error 23514
INSERT INTO t VALUES (4, 'z', 1) ON CONFLICT (id) DO UPDATE SET v = 5000;
-- expect error 21000
INSERT INTO t VALUES (4, 'a', 1), (4, 'b', 2) ON CONFLICT (id) DO UPDATE SET v = excluded.v;
-- expect error 42P10
INSERT INTO t VALUES (4, 'a', 1) ON CONFLICT (v) DO NOTHING;
SELECT * FROM t ORDER BY id;
-- a second key as arbiter, twice in one statement
-- expect error 21000
INSERT INTO t VALUES (31, 'same', 1), (32, 'same', 2) ON CONFLICT (email) DO UPDATE SET v = excluded.v;
INSERT INTO t VALUES (33, NULL, 1), (34, NULL, 2) ON CONFLICT (email) DO UPDATE SET v = excluded.v RETURNING *;
SELECT * FROM t ORDER BY id;
