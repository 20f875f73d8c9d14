-- setup
-- needs: PostgreSQL 15
-- shows: errors: which of several errors of a change is told: the one that PostgreSQL finds first
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE s (id int, v text);
INSERT INTO t VALUES (1, 'a');
-- script
UPDATE t SET v = 'b' WHERE id = 1;
-- expect error 42703
UPDATE t SET nowhere = 1;
-- expect error 42703
UPDATE t SET nowhere = neither;
-- expect error 42703
UPDATE t SET nowhere = 1 WHERE neither = 1;
-- expect error 42601
UPDATE t SET nowhere = (SELECT id, v FROM s);
-- expect error 42P01
UPDATE t SET t.v = other.v WHERE id = 1;
-- expect error 42703
UPDATE t SET t.v = 'c';
-- expect error 42703
UPDATE t AS x SET xmin = neither;
-- expect error 42703
INSERT INTO t (id, nowhere) SELECT neither, 1 FROM s;
-- expect error 42703
INSERT INTO t VALUES (1, 'c') ON CONFLICT (id) DO UPDATE SET nowhere = neither;
-- expect error 42P01
MERGE INTO t USING nothing n ON t.id = n.id WHEN MATCHED THEN UPDATE SET nowhere = 1;
-- expect error 0A000
INSERT INTO elsewhere.public.t VALUES (2);
-- expect error 0A000
UPDATE elsewhere.public.gone SET id = 2;
-- expect error 0A000
DELETE FROM elsewhere.public.gone;
-- expect error 42703
WITH c AS (UPDATE t SET nowhere = 1 RETURNING neither) SELECT * FROM c;
BEGIN;
-- expect error 42703
-- batch
SELECT 1;
UPDATE t SET nowhere = neither;
SELECT 2;
-- end
-- expect error 25P02
UPDATE t SET nowhere = neither;
ROLLBACK;
SELECT * FROM t;
