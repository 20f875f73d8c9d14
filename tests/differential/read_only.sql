-- Changes in a transaction that is read-only: PostgreSQL's own words.
-- setup
-- shows: errors: changes in a read-only transaction
-- needs: PostgreSQL 15
CREATE TABLE kept (id int PRIMARY KEY, v text);
INSERT INTO kept SELECT n, 'v' || n FROM generate_series(1, 4) n;
CREATE TABLE other (id int PRIMARY KEY, v text);
-- script
-- nothing is changed yet
BEGIN READ ONLY;
-- expect error 25006
SELECT * FROM other FOR SHARE;
ROLLBACK;
BEGIN READ ONLY;
-- expect error 25006
UPDATE other SET v = 'x';
ROLLBACK;
CREATE TEMPORARY TABLE own (id int);
UPDATE kept SET v = 'changed' WHERE id = 1;
BEGIN READ ONLY;
SELECT * FROM kept ORDER BY id;
SAVEPOINT a;
-- expect error 25006
SELECT * FROM kept WHERE id = 1 FOR UPDATE;
ROLLBACK TO a;
-- expect error 25006
SELECT * FROM kept WHERE id = 1 FOR NO KEY UPDATE SKIP LOCKED;
ROLLBACK TO a;
-- expect error 25006
SELECT * FROM other FOR SHARE;
ROLLBACK TO a;
-- expect error 25006
SELECT * FROM other FOR KEY SHARE NOWAIT;
ROLLBACK TO a;
-- expect error 25006
INSERT INTO kept VALUES (5, 'x');
ROLLBACK TO a;
-- expect error 25006
UPDATE kept SET v = 'x' WHERE id = 1;
ROLLBACK TO a;
-- expect error 25006
DELETE FROM kept;
ROLLBACK TO a;
-- expect error 25006
DELETE FROM other;
ROLLBACK TO a;
-- expect error 25006
TRUNCATE other;
ROLLBACK TO a;
-- expect error 25006
WITH c AS (INSERT INTO kept VALUES (6, 'x') RETURNING id) SELECT * FROM c;
ROLLBACK TO a;
-- expect error 25006
MERGE INTO kept k USING (VALUES (1)) s (id) ON k.id = s.id WHEN MATCHED THEN DELETE;
ROLLBACK TO a;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
-- expect error 25006
UPDATE kept SET v = 'x' WHERE id = 2;
ROLLBACK;
BEGIN;
UPDATE kept SET v = 'again' WHERE id = 2;
SET TRANSACTION READ ONLY;
SELECT * FROM kept ORDER BY id;
SAVEPOINT b;
-- expect error 25006
UPDATE kept SET v = 'again' WHERE id = 2;
ROLLBACK TO b;
-- expect error 25006
DELETE FROM kept WHERE id = 4;
ROLLBACK;
SET default_transaction_read_only = on;
-- expect error 25006
UPDATE kept SET v = 'x' WHERE id = 3;
INSERT INTO own VALUES (1);
-- origin differs
SELECT * FROM own;
SET default_transaction_read_only = off;
UPDATE kept SET v = 'x' WHERE id = 3;
SELECT * FROM kept ORDER BY id;
