-- setup
-- shows: tables: row-level security of tables that are changed: the policies that hold for the agents' role, with its settings
-- as writer
CREATE TABLE notes (id serial PRIMARY KEY, tenant int NOT NULL, body text CHECK (body <> 'bad'), code text UNIQUE);
INSERT INTO notes (tenant, body, code) SELECT n % 3, 'note ' || n, 'c' || n FROM generate_series(1, 30) n;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON notes USING (tenant = current_setting('app.tenant')::int);
CREATE TABLE plain (id int PRIMARY KEY, note int, v text);
INSERT INTO plain SELECT n, n, 'p' || n FROM generate_series(1, 10) n;
-- script
SET app.tenant = '1';
SELECT count(*), min(id), max(id) FROM notes;
UPDATE notes SET body = body || '!' WHERE id < 10 RETURNING *;
SELECT * FROM notes ORDER BY id;
SELECT count(*) FROM notes;
UPDATE notes SET body = 'x' WHERE id = 2;
-- expect error 42501
UPDATE notes SET tenant = 2 WHERE id = 1;
-- expect error 42501
INSERT INTO notes (tenant, body) VALUES (1, 'mine'), (2, 'yours');
-- expect error 42501
INSERT INTO notes (tenant, body) VALUES (2, 'bad');
-- expect error 23514
INSERT INTO notes (tenant, body) VALUES (1, 'bad');
-- expect error 23505
INSERT INTO notes (tenant, body, code) VALUES (1, 'mine', 'c2');
INSERT INTO notes (id, tenant, body, code) VALUES (100, 1, 'mine', 'm1'), (101, 1, 'mine too', 'm2') RETURNING id, tenant, body;
INSERT INTO notes (id, tenant, body) SELECT 200 + id, tenant, 'copy of ' || body FROM notes WHERE id < 8;
-- params: 150, 1, 'by parameter'
INSERT INTO notes (id, tenant, body) VALUES ($1, $2, $3) RETURNING *;
-- params: 151, 2, 'by parameter'
-- expect error 42501
INSERT INTO notes (id, tenant, body) VALUES ($1, $2, $3);
DELETE FROM notes WHERE id IN (4, 5, 101);
DELETE FROM notes WHERE id IN (7, 8) RETURNING id, body;
SELECT * FROM notes ORDER BY id;
SELECT n.id, p.v FROM notes n JOIN plain p ON p.note = n.id ORDER BY 1;
UPDATE notes n SET body = p.v FROM plain p WHERE p.note = n.id RETURNING n.id, n.body, p.id;
UPDATE notes SET id = id + 1000 WHERE id = 10 RETURNING id, tenant;
-- expect error 42501
UPDATE notes SET id = 2000, tenant = '2' WHERE id = 1010;
WITH gone AS (DELETE FROM notes WHERE id = 13 RETURNING *) SELECT * FROM gone;
WITH more AS (INSERT INTO notes (id, tenant, body) VALUES (300, 1, 'with') RETURNING id) SELECT * FROM more;
SET app.tenant = '2';
SELECT * FROM notes ORDER BY id;
SELECT count(*) FROM notes;
UPDATE notes SET body = 'of two' WHERE id = 1;
UPDATE notes SET body = 'of two' WHERE id = 2 RETURNING *;
DELETE FROM notes WHERE id = 300;
DELETE FROM notes WHERE id = 5;
-- expect error 23505
INSERT INTO notes (id, tenant, body) VALUES (300, 2, 'taken');
SELECT id, 1 / (id - 300) FROM notes WHERE 1 / (id - 300) = 0 ORDER BY id LIMIT 3;
COPY (SELECT id, body FROM notes WHERE id < 9 ORDER BY id) TO STDOUT;
COPY notes (id, tenant) TO STDOUT;
SET app.tenant = '7';
SELECT * FROM notes;
UPDATE notes SET body = 'nobody''s' RETURNING *;
DELETE FROM notes;
INSERT INTO notes (id, tenant, body) VALUES (700, 7, 'seven');
TABLE notes;
-- expect error 0A000
COPY notes (id, tenant) FROM STDIN;
1	7
\.
SET app.tenant = 'x';
-- expect error 22P02
SELECT * FROM notes;
