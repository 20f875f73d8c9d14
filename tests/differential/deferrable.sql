-- setup
-- shows: constraints: DEFERRABLE, INITIALLY DEFERRED, SET CONSTRAINTS, of unique, foreign and exclusion constraints
-- differs: a DEFERRABLE primary key | checked at once, whatever SET CONSTRAINTS says | it tells the draft's rows apart
CREATE TABLE later (id int PRIMARY KEY, n int UNIQUE DEFERRABLE INITIALLY DEFERRED, m int, CONSTRAINT later_m UNIQUE (m) DEFERRABLE);
CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE child (id int PRIMARY KEY, pid int CONSTRAINT child_pid REFERENCES parent DEFERRABLE INITIALLY DEFERRED,
  code text CONSTRAINT child_code REFERENCES parent (code) DEFERRABLE, boss int CONSTRAINT child_boss REFERENCES child DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE excl (id int PRIMARY KEY, r int4range, CONSTRAINT excl_r EXCLUDE USING gist (r WITH &&) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE dpk (id int CONSTRAINT dpk_pkey PRIMARY KEY DEFERRABLE, v text);
INSERT INTO dpk VALUES (1, 'a'), (2, 'b');
INSERT INTO later VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3);
INSERT INTO parent VALUES (1, 'a'), (2, 'b');
INSERT INTO child VALUES (1, 1, 'a', NULL), (2, 2, 'b', 1);
INSERT INTO excl VALUES (1, '[1,3)'), (2, '[3,5)');
-- script
BEGIN;
SET CONSTRAINTS dpk_pkey DEFERRED;
UPDATE dpk SET id = id + 1;
COMMIT;
SELECT * FROM dpk ORDER BY id;
UPDATE later SET n = n + 1;
UPDATE later SET m = m + 1;
SELECT * FROM later ORDER BY id;
BEGIN;
UPDATE later SET n = 4 WHERE id = 1;
SELECT * FROM later ORDER BY id;
UPDATE later SET n = 9 WHERE id = 3;
COMMIT;
BEGIN;
INSERT INTO later VALUES (4, 9, 40);
-- expect error 23505
COMMIT;
BEGIN;
-- expect error 23505
INSERT INTO later VALUES (4, 44, 3);
ROLLBACK;
BEGIN;
SET CONSTRAINTS later_m DEFERRED;
UPDATE later SET m = 3 WHERE id = 1;
UPDATE later SET m = 2 WHERE id = 2;
COMMIT;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
UPDATE later SET m = 3 WHERE id = 2;
-- expect error 23505
SET CONSTRAINTS later_m IMMEDIATE;
ROLLBACK;
BEGIN;
UPDATE later SET n = 9 WHERE id = 2;
-- expect error 23505
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
BEGIN;
SET CONSTRAINTS later_n_key IMMEDIATE;
-- expect error 23505
UPDATE later SET n = 9 WHERE id = 2;
ROLLBACK;
SELECT * FROM later ORDER BY id;
BEGIN;
INSERT INTO child VALUES (3, 7, NULL, 4);
INSERT INTO child VALUES (4, 7, NULL, 3);
INSERT INTO parent VALUES (7, 'g');
COMMIT;
BEGIN;
INSERT INTO child VALUES (5, 8, NULL, NULL);
-- expect error 23503
COMMIT;
BEGIN;
DELETE FROM parent WHERE id = 7;
SELECT count(*) FROM parent;
-- expect error 23503
COMMIT;
BEGIN;
DELETE FROM parent WHERE id = 7;
INSERT INTO parent VALUES (7, 'again');
COMMIT;
BEGIN;
DELETE FROM parent WHERE id = 7;
DELETE FROM child WHERE id IN (3, 4);
COMMIT;
-- expect error 23503
UPDATE parent SET code = 'z' WHERE id = 1;
-- expect error 23503
INSERT INTO child VALUES (6, 1, 'nope', NULL);
BEGIN;
SET CONSTRAINTS child_code DEFERRED;
UPDATE parent SET code = 'z' WHERE id = 1;
UPDATE child SET code = 'z' WHERE id = 1;
COMMIT;
BEGIN;
DELETE FROM child WHERE id = 1;
-- expect error 23503
COMMIT;
BEGIN;
SAVEPOINT a;
INSERT INTO child VALUES (9, 99, NULL, NULL);
ROLLBACK TO a;
COMMIT;
SELECT * FROM child ORDER BY id;
SELECT * FROM parent ORDER BY id;
BEGIN;
UPDATE excl SET r = '[3,5)' WHERE id = 1;
UPDATE excl SET r = '[1,3)' WHERE id = 2;
COMMIT;
BEGIN;
INSERT INTO excl VALUES (3, '[1,9)');
-- expect error 23P01
COMMIT;
SELECT * FROM excl ORDER BY id;
-- expect error 42809
SET CONSTRAINTS parent_code_key DEFERRED;
-- expect error 42704
SET CONSTRAINTS nothing_there DEFERRED;
-- expect error 23505
INSERT INTO later VALUES (50, 9, 500);
-- expect error 23505
INSERT INTO later VALUES (51, 9, 501) RETURNING id;
-- expect error 23503
UPDATE child SET pid = 99 WHERE id = 1;
SELECT count(*) FROM later WHERE id > 49;
INSERT INTO later VALUES (52, 52, 52); SELECT count(*) FROM later WHERE id > 49;
