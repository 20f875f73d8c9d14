-- setup
-- shows: statements: COPY of INSERT, UPDATE and DELETE … RETURNING, and of changes under WITH
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL DEFAULT 'none', n int CHECK (n < 100));
CREATE TABLE gone (id serial PRIMARY KEY, item int, name text);
CREATE TABLE rows_of (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE rows_low PARTITION OF rows_of FOR VALUES FROM (0) TO (10);
CREATE TABLE rows_high PARTITION OF rows_of FOR VALUES FROM (10) TO (20);
CREATE VIEW small AS SELECT id, name FROM items WHERE n < 5;
INSERT INTO items SELECT n, 'item ' || n, n FROM generate_series(1, 12) n;
-- script
COPY (INSERT INTO items (id, n) VALUES (20, 20), (21, 21) RETURNING *) TO STDOUT;
COPY (UPDATE items SET name = name || ', changed' WHERE id IN (1, 20) RETURNING id, name) TO STDOUT (FORMAT csv, HEADER);
COPY (DELETE FROM items WHERE id = 21 RETURNING id AS "The id") TO STDOUT WITH CSV HEADER;
COPY (UPDATE items SET n = 7 WHERE id = 3 RETURNING items, n + 1) TO STDOUT (DELIMITER '|');
COPY (UPDATE items SET n = 8 WHERE id = 300 RETURNING *) TO STDOUT;
copy (WITH d AS (DELETE FROM items WHERE id = 5 RETURNING *) INSERT INTO gone (item, name) SELECT id, name FROM d RETURNING *) to stdout;
COPY (WITH u AS (UPDATE items SET n = n + 1 WHERE id > 10 RETURNING *) SELECT u.id, u.n, i.n FROM u JOIN items i USING (id) ORDER BY 1) TO STDOUT;
COPY (INSERT INTO items VALUES (1, 'again', 1), (30, 'thirty', 30) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *) TO STDOUT;
COPY (UPDATE items i SET n = g.id FROM gone g WHERE g.item = i.id + 1 RETURNING i.id, i.n, g.*) TO STDOUT;
COPY (UPDATE small SET name = upper(name) WHERE id = 2 RETURNING *) TO STDOUT;
COPY (INSERT INTO rows_of VALUES (1, 1, 'low'), (1, 11, 'high') RETURNING *, tableoid::regclass) TO STDOUT;
COPY (UPDATE rows_of SET k = k + 1 RETURNING id, k) TO STDOUT;
SELECT * FROM items ORDER BY id;
SELECT * FROM rows_of ORDER BY k;
-- expect error 0A000
COPY (DELETE FROM items WHERE id = 1) TO STDOUT;
-- expect error 0A000
COPY (INSERT INTO items (id) VALUES (90)) TO STDOUT;
-- expect error 23505
COPY (INSERT INTO items (id) VALUES (2) RETURNING *) TO STDOUT;
-- expect error 23514
COPY (UPDATE items SET n = 1000 WHERE id = 2 RETURNING *) TO STDOUT;
-- expect error 42P01
COPY (DELETE FROM nowhere RETURNING *) TO STDOUT;
-- expect error 42703
COPY (UPDATE items SET nothing = 1 RETURNING *) TO STDOUT;
-- expect error 42703
COPY (UPDATE items SET n = 1 WHERE id = 1 RETURNING nothing) TO STDOUT;
-- expect error 42601
COPY (DELETE FROM items WHERE id = 2 RETURNING id) TO STDOUT (FORMAT csv, FORMAT text);
SELECT count(*) FROM items;
BEGIN;
COPY (DELETE FROM items WHERE id < 10 RETURNING id) TO STDOUT;
SELECT count(*) FROM items;
ROLLBACK;
SELECT count(*) FROM items;
BEGIN READ ONLY;
-- expect error 25006
COPY (DELETE FROM items WHERE id = 9 RETURNING id) TO STDOUT;
ROLLBACK;
-- temporary tables
CREATE TEMP TABLE mine (id int, v text);
COPY (INSERT INTO mine VALUES (1, 'a'), (2, 'b') RETURNING *) TO STDOUT;
COPY (WITH d AS (DELETE FROM items WHERE id = 9 RETURNING *) INSERT INTO mine SELECT id, name FROM d RETURNING *) TO STDOUT;
COPY (SELECT * FROM mine ORDER BY 1) TO STDOUT;
-- batch
COPY (DELETE FROM items WHERE id = 8 RETURNING *) TO STDOUT; SELECT count(*) FROM items; COPY (INSERT INTO items VALUES (8, 'back', 8) RETURNING id) TO STDOUT;
-- end
SELECT * FROM items ORDER BY id;
SELECT * FROM gone ORDER BY id;
