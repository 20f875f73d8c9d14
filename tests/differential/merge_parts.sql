-- setup
-- needs: PostgreSQL 15
-- shows: statements: MERGE that assigns to array elements, fields and jsonb keys
CREATE TYPE place AS (street varchar(5), no int);
CREATE TABLE t (id int PRIMARY KEY, a int[] DEFAULT '{9}', p place, j jsonb);
INSERT INTO t VALUES (1, '{1}', ROW('a', 1), '{}'), (2, NULL, NULL, NULL);
CREATE TABLE other (id int PRIMARY KEY, n int);
INSERT INTO other VALUES (1, 10), (2, 20), (3, 30);
-- script
MERGE INTO t USING other o ON o.id = t.id
    WHEN MATCHED THEN UPDATE SET a[2] = o.n, p.no = o.id + (t.p).no, a[3] = t.a[1], j['merged'] = to_jsonb(o.n)
    WHEN NOT MATCHED THEN INSERT (id, a[2], p.no, j['m'], a[1]) VALUES (o.id, o.n, n, '2', 5);
SELECT * FROM t ORDER BY id;
-- expect error 22001
MERGE INTO t USING other o ON o.id = t.id WHEN MATCHED THEN UPDATE SET p.street = 'too long';
-- expect error 22001
MERGE INTO t USING other o ON o.id = t.id WHEN MATCHED THEN UPDATE SET p = ROW('too long', 1);
-- a field's length does not cut, whatever the row is made of
-- expect error 22001
MERGE INTO t USING other o ON o.id = t.id + 100 WHEN NOT MATCHED THEN INSERT (id, p) VALUES (o.id + 50, ROW('too long', 1));
-- expect error 22001
MERGE INTO t USING other o ON o.id = t.id + 100 WHEN NOT MATCHED THEN INSERT (id, p) VALUES (o.id + 50, ROW('too ' || n, n));
MERGE INTO t USING other o ON o.id = t.id + 100 WHEN NOT MATCHED THEN INSERT (id, p) VALUES (o.id + 50, ROW('n' || n, n));
SELECT * FROM t ORDER BY id;
