-- setup
-- shows: statements: MERGE from a subquery without a name (PostgreSQL 16)
-- needs: PostgreSQL 16
CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 7);
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
CREATE TABLE s (id int PRIMARY KEY, v text, n int);
INSERT INTO s VALUES (2, 'S2', 20), (3, 'S3', 30), (4, 'S4', 40);
-- script
MERGE INTO t USING (SELECT 1 AS x) ON t.id = x WHEN MATCHED THEN UPDATE SET v = 'x' || x WHEN NOT MATCHED THEN INSERT (id) VALUES (x);
MERGE INTO t USING (SELECT id AS k, v AS w FROM s) ON t.id = k WHEN MATCHED AND k = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET v = w WHEN NOT MATCHED THEN INSERT (id, v) VALUES (k, w);
MERGE INTO t USING (SELECT id, v AS w FROM s WHERE id = 2) ON t.id = 2 WHEN NOT MATCHED AND id > 1 THEN INSERT (id, v) VALUES (id, w);
MERGE INTO t USING (VALUES (4, 'four'), (5, 'five')) ON t.id = column1 WHEN MATCHED THEN UPDATE SET v = column2 WHEN NOT MATCHED THEN INSERT VALUES (column1, column2);
-- expect error 42702
MERGE INTO t USING (SELECT id FROM s) ON id = 2 WHEN MATCHED THEN DELETE;
SELECT * FROM t ORDER BY id;
