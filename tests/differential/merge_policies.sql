-- setup
-- shows: tables: MERGE under row-level security: policies of each action's command, of rows found and of new ones, restrictive ones
-- needs: PostgreSQL 15
-- as writer
CREATE TABLE docs (id int PRIMARY KEY, owner text, title text, sealed bool DEFAULT false, rank int);
INSERT INTO docs SELECT n, CASE WHEN n % 2 = 0 THEN 'ann' ELSE 'bob' END, 'doc ' || n, n % 5 = 0, n FROM generate_series(1, 20) n;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY reading ON docs FOR SELECT USING (rank < 15);
CREATE POLICY adding ON docs FOR INSERT WITH CHECK (owner = current_setting('app.person', true));
CREATE POLICY changing ON docs FOR UPDATE USING (owner = current_setting('app.person', true)) WITH CHECK (title <> 'bad');
CREATE POLICY removing ON docs FOR DELETE USING (owner = current_setting('app.person', true) AND rank > 3);
CREATE POLICY "not sealed" ON docs AS RESTRICTIVE FOR UPDATE USING (NOT sealed) WITH CHECK (rank < 100);
CREATE TABLE news (id int PRIMARY KEY, title text, rank int);
INSERT INTO news VALUES (2, 'two', 2), (4, 'four', 4), (16, 'hidden', 16), (30, 'thirty', 3);
CREATE TABLE tenants (tenant int, id int, v text, PRIMARY KEY (tenant, id));
INSERT INTO tenants SELECT n % 3, n, 't' || n FROM generate_series(1, 9) n;
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tenants USING (tenant = current_setting('app.tenant')::int);
CREATE TABLE spaces (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE spaces_1 PARTITION OF spaces FOR VALUES IN (1);
CREATE TABLE spaces_2 PARTITION OF spaces DEFAULT;
INSERT INTO spaces SELECT n, n % 3, 's' || n FROM generate_series(1, 6) n;
ALTER TABLE spaces ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON spaces USING (k < 2);
-- script
SET app.person = 'ann';
SET app.tenant = '1';
MERGE INTO docs d USING news n ON d.id = n.id AND n.id < 10 WHEN MATCHED THEN UPDATE SET title = n.title, rank = n.rank;
MERGE INTO docs d USING news n ON d.id = n.id WHEN NOT MATCHED AND n.id = 30 THEN INSERT VALUES (n.id, 'ann', n.title, false, n.rank);
SELECT * FROM docs ORDER BY id;
-- rows found that may not be changed are errors, not left out
-- expect error 42501
MERGE INTO docs d USING (VALUES (1)) v (id) ON d.id = v.id WHEN MATCHED THEN UPDATE SET title = 'x';
-- expect error 42501
MERGE INTO docs d USING (VALUES (10)) v (id) ON d.id = v.id WHEN MATCHED THEN UPDATE SET title = 'x';
-- expect error 42501
MERGE INTO docs d USING (VALUES (2)) v (id) ON d.id = v.id WHEN MATCHED THEN DELETE;
-- expect error 42501
MERGE INTO docs d USING (VALUES (1)) v (id) ON d.id = v.id WHEN MATCHED AND d.owner = 'bob' THEN DELETE;
MERGE INTO docs d USING (VALUES (1)) v (id) ON d.id = v.id WHEN MATCHED THEN DO NOTHING;
MERGE INTO docs d USING (VALUES (1)) v (id) ON d.id = v.id WHEN MATCHED AND d.owner = 'ann' THEN DELETE;
MERGE INTO docs d USING (VALUES (4), (6)) v (id) ON d.id = v.id WHEN MATCHED AND d.id = 4 THEN DELETE WHEN MATCHED THEN UPDATE SET sealed = true;
-- the row of the draft is asked as well
-- expect error 42501
MERGE INTO docs d USING (VALUES (6)) v (id) ON d.id = v.id WHEN MATCHED THEN UPDATE SET title = 'x';
MERGE INTO docs d USING (VALUES (6)) v (id) ON d.id = v.id WHEN MATCHED THEN DELETE;
-- new rows
-- expect error 42501
MERGE INTO docs d USING (VALUES (8)) v (id) ON d.id = v.id WHEN MATCHED THEN UPDATE SET title = 'bad';
-- expect error 42501
MERGE INTO docs d USING (VALUES (8)) v (id) ON d.id = v.id WHEN MATCHED THEN UPDATE SET rank = 100;
-- expect error 42501
MERGE INTO docs d USING (VALUES (8)) v (id) ON d.id = v.id WHEN MATCHED THEN UPDATE SET rank = 50;
-- expect error 42501
MERGE INTO docs d USING (VALUES (31)) v (id) ON d.id = v.id WHEN NOT MATCHED THEN INSERT (id, owner) VALUES (v.id, 'bob');
MERGE INTO docs d USING (VALUES (31)) v (id) ON d.id = v.id WHEN NOT MATCHED THEN INSERT (id, owner, rank) VALUES (v.id, 'ann', 70);
SELECT * FROM docs ORDER BY id;
-- a row that cannot be read is not found, its key is taken
-- expect error 23505
MERGE INTO docs d USING (VALUES (16)) v (id) ON d.id = v.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, owner, rank) VALUES (v.id, 'ann', 1);
-- expect error 23505
MERGE INTO docs d USING (VALUES (31)) v (id) ON d.id = v.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, owner, rank) VALUES (v.id, 'ann', 1);
MERGE INTO docs d USING (SELECT id + 100 AS id, title FROM docs WHERE id < 10) s ON d.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'ann', s.title, false, 1) WHEN MATCHED THEN DELETE;
MERGE INTO docs d USING (SELECT id + 100 AS id, title FROM docs WHERE id < 9) s ON d.id = s.id WHEN MATCHED AND s.id % 2 = 0 THEN UPDATE SET id = d.id + 1000 WHEN MATCHED AND d.rank = 1 THEN UPDATE SET title = 'changed';
SELECT * FROM docs ORDER BY id;
-- one policy for all commands
MERGE INTO tenants t USING generate_series(1, 12) g (n) ON t.id = g.n WHEN MATCHED THEN UPDATE SET v = v || '!' WHEN NOT MATCHED AND g.n > 9 THEN INSERT VALUES (1, g.n, 'new');
SELECT * FROM tenants ORDER BY 1, 2;
-- expect error 42501
MERGE INTO tenants t USING (VALUES (1)) v (n) ON t.id = v.n WHEN MATCHED THEN UPDATE SET tenant = 2;
-- expect error 42501
MERGE INTO tenants t USING (VALUES (50)) v (n) ON t.id = v.n WHEN NOT MATCHED THEN INSERT VALUES (2, v.n, 'theirs');
MERGE INTO tenants t USING (VALUES (1), (4)) v (n) ON t.id = v.n WHEN MATCHED AND t.v LIKE 't1%' THEN DELETE WHEN MATCHED THEN UPDATE SET id = 40;
SET app.tenant = '2';
MERGE INTO tenants t USING (VALUES (40), (5)) v (n) ON t.id = v.n WHEN MATCHED THEN UPDATE SET v = 'of two' WHEN NOT MATCHED THEN INSERT VALUES (2, v.n, 'same id');
SELECT * FROM tenants ORDER BY 1, 2;
-- partitions
MERGE INTO spaces s USING generate_series(1, 8) g (n) ON s.id = g.n WHEN MATCHED THEN UPDATE SET v = v || '+' WHEN NOT MATCHED AND g.n > 6 THEN INSERT VALUES (g.n, 1, 'new');
-- expect error 42501
MERGE INTO spaces s USING (VALUES (1)) v (n) ON s.id = v.n WHEN MATCHED THEN UPDATE SET k = 2;
MERGE INTO spaces s USING (VALUES (1), (3)) v (n) ON s.id = v.n WHEN MATCHED AND s.id = 1 THEN UPDATE SET k = 0 WHEN MATCHED THEN DELETE;
SELECT * FROM spaces ORDER BY 1, 2;
