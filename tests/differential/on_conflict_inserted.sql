-- setup
-- shows: statements: INSERT … ON CONFLICT DO UPDATE … RETURNING (xmax = 0), which tells new rows from updated ones
CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, n int DEFAULT 1);
INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
-- script
INSERT INTO t VALUES (1, 'a', 10), (4, 'd', 40) ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING id, n, (xmax = 0) AS inserted;
INSERT INTO t VALUES (1, 'a', 11), (4, 'd', 41), (5, 'e', 50) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n RETURNING id, n, xmax = 0, t.xmax::text::bigint > 0;
INSERT INTO t AS x VALUES (9, 'b', 22) ON CONFLICT (code) DO UPDATE SET n = excluded.n WHERE x.n < 100 RETURNING x.id, CASE WHEN x.xmax = 0 THEN 'inserted' ELSE 'updated' END AS did, x.*;
DELETE FROM t WHERE id IN (3, 5);
INSERT INTO t VALUES (3, 'c', 33), (5, 'e', 55) ON CONFLICT (id) DO UPDATE SET n = 0 RETURNING id, n, (xmax = 0);
INSERT INTO t VALUES (3, 'c', 34) ON CONFLICT (id) DO UPDATE SET id = t.id + 10 RETURNING id, (xmax = 0) AS inserted;
INSERT INTO t VALUES (13, 'c', 35), (14, 'z', 1) ON CONFLICT (id) DO NOTHING RETURNING id, (xmax = 0) AS inserted;
WITH put AS (INSERT INTO t SELECT i, 'k' || i, i FROM generate_series(13, 16) i ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING xmax = 0 AS fresh) SELECT fresh, count(*) FROM put GROUP BY fresh ORDER BY fresh;
INSERT INTO t (id, code) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET n = 7 WHERE t.n > 1000 RETURNING xmax = 0;
SELECT * FROM t ORDER BY id;
