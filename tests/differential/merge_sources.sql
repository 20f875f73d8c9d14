-- setup
-- shows: statements: MERGE, sources: NATURAL, USING and FULL joins, CTEs, VALUES, functions, a star among the values
-- needs: PostgreSQL 15
CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 7);
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
CREATE TABLE s (id int PRIMARY KEY, v text, n int);
INSERT INTO s VALUES (2, 'S2', 20), (3, 'S3', 30), (4, 'S4', 40);
CREATE TABLE s2 (id int PRIMARY KEY, w text);
INSERT INTO s2 VALUES (3, 'w3'), (4, 'w4'), (5, 'w5');
-- script
MERGE INTO t USING s NATURAL JOIN s2 ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s2.w WHEN NOT MATCHED THEN INSERT VALUES (s.id, s2.w, s.n);
MERGE INTO t USING s JOIN s2 USING (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s2.w || '1';
MERGE INTO t USING (s JOIN s2 USING (id)) AS q ON t.id = q.id WHEN MATCHED THEN UPDATE SET v = q.w || '2';
MERGE INTO t USING s JOIN s2 USING (id) AS u ON t.id = u.id WHEN MATCHED THEN UPDATE SET v = u.id::text || '3';
MERGE INTO t USING s FULL JOIN s2 ON s.id = s2.id ON t.id = coalesce(s.id, s2.id) WHEN MATCHED THEN UPDATE SET v = 'full' WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s2.id, s2.w);
MERGE INTO t USING s FULL JOIN s2 USING (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 'full2' WHEN NOT MATCHED THEN DO NOTHING;
MERGE INTO t USING (VALUES (1, 'v1'), (9, 'v9')) AS v (id, x) ON t.id = v.id WHEN MATCHED THEN UPDATE SET v = x WHEN NOT MATCHED THEN INSERT (id, v) VALUES (v.id, x);
WITH c AS (SELECT id, v FROM s) MERGE INTO t USING c ON t.id = c.id WHEN MATCHED THEN UPDATE SET v = c.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (c.id, c.v);
WITH c (id, v) AS (VALUES (50, 'fifty')) MERGE INTO t USING c ON t.id = c.id WHEN NOT MATCHED THEN INSERT (id, v) VALUES (id, v);
MERGE INTO t USING generate_series(60, 62) AS g ON t.id = g WHEN NOT MATCHED THEN INSERT (id) VALUES (g);
MERGE INTO t USING generate_series(60, 62) AS g(x) ON t.id = g.x WHEN MATCHED AND x = 61 THEN DELETE WHEN MATCHED THEN UPDATE SET n = x;
MERGE INTO t USING ONLY s ON t.id = s.id WHEN MATCHED THEN DELETE;
MERGE INTO ONLY t AS tt USING s AS ss ON tt.id = ss.id WHEN NOT MATCHED THEN INSERT VALUES (ss.*);
MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id + 1000, s.v, DEFAULT);
-- expect error 42601
MERGE INTO t USING s, LATERAL (SELECT s.id + 1 AS y) l ON t.id = y WHEN MATCHED THEN UPDATE SET n = y;
MERGE INTO t USING s CROSS JOIN LATERAL (SELECT s.id + 1 AS y) l ON t.id = y WHEN MATCHED THEN UPDATE SET n = y;
MERGE INTO t USING t AS o ON t.id = o.id - 1 WHEN MATCHED THEN UPDATE SET v = o.v;
-- expect error 42712
MERGE INTO t USING t ON true WHEN MATCHED THEN DO NOTHING;
-- expect error 42712
MERGE INTO t USING s AS t ON true WHEN MATCHED THEN DO NOTHING;
MERGE INTO t USING s NATURAL FULL JOIN s2 ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 'nf' WHEN NOT MATCHED AND id > 0 THEN INSERT (id, v) VALUES (id + 5000, w);
MERGE INTO t USING s RIGHT JOIN s2 USING (id) ON t.id = s.id WHEN NOT MATCHED AND id > 3 THEN INSERT (id, v) VALUES (id + 6000, coalesce(v, w));
MERGE INTO t USING (SELECT id, v FROM s) a NATURAL JOIN (SELECT id, w AS x FROM s2) b ON t.id = a.id WHEN MATCHED AND b.x > '' THEN UPDATE SET v = x WHEN NOT MATCHED THEN INSERT (id, v) VALUES (id, b.x);
MERGE INTO t USING (SELECT * FROM s) a NATURAL LEFT JOIN (VALUES (2, 'p'), (9, 'q')) b (id, y) ON t.id = a.id + 7000 WHEN NOT MATCHED AND id < 4 THEN INSERT (id, v) VALUES (id + 7000, y);
MERGE INTO t USING (SELECT id, v, n FROM s UNION ALL SELECT 8, 'eight', 8) a NATURAL JOIN s2 ON t.id = s2.id WHEN MATCHED THEN UPDATE SET n = a.n;
MERGE INTO t USING (SELECT n, id + 9000 AS id, v FROM s) q ON t.id = q.id WHEN NOT MATCHED THEN INSERT (n, id, v) VALUES (q.*);
SELECT * FROM t ORDER BY id;
