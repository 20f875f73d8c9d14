-- setup
-- shows: tables: a temporary table that is made anew with other columns, beside changed tables
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'one'), (2, 'two');
-- script
-- origins differ
UPDATE t SET v = 'changed' WHERE id = 1;
CREATE TEMP TABLE own (a int);
INSERT INTO own VALUES (1);
SELECT own.a, t.v FROM own JOIN t ON t.id = 1;
DROP TABLE own;
CREATE TEMP TABLE own (a text);
INSERT INTO own VALUES ('x');
SELECT own.a, t.v FROM own JOIN t ON t.id = 1;
DROP TABLE own;
CREATE TEMP TABLE own (a int[], b date);
INSERT INTO own VALUES ('{1}');
SELECT own.a, t.v FROM own JOIN t ON t.id = 1;
SELECT own.*, t.v FROM own JOIN t ON t.id = 1;
ALTER TABLE own ALTER b TYPE timestamp;
SELECT own.*, t.v FROM own JOIN t ON t.id = 1;
ALTER TABLE own DROP a;
SELECT own.*, t.v FROM own JOIN t ON t.id = 1;
BEGIN;
ALTER TABLE own ADD c numeric(5,2) DEFAULT 1;
SELECT own.*, t.v FROM own JOIN t ON t.id = 1;
ROLLBACK;
SELECT own.*, t.v FROM own JOIN t ON t.id = 1;
INSERT INTO own SELECT NULL RETURNING *;
