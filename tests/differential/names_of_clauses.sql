-- setup
-- shows: tables: columns and outputs named as clauses begin (from, where, returning, set, using), without quotes behind a dot and AS
-- needs: PostgreSQL 15
CREATE TABLE t (id int PRIMARY KEY, "from" text, "where" text, "returning" text, "set" text, "order" int);
CREATE TABLE u (id int PRIMARY KEY, "from" text, "using" int, "on" int, "conflict" int);
INSERT INTO t VALUES (1, 'a', 'b', 'c', 'd', 1), (2, 'b', 'b', 'c', 'd', 2);
INSERT INTO u VALUES (1, 'x', 1, 1, 5);
-- script
UPDATE t SET "from" = 'c' WHERE id = 2;
UPDATE t SET "from" = u.from FROM u WHERE u.id = t.id;
UPDATE t SET "from" = t.where WHERE t.returning = 'c' RETURNING t.from, t.where, t.set;
UPDATE t SET "from" = 'z' WHERE id = 1 RETURNING id AS from, id AS where, id AS returning, id AS set, t.order AS order;
SELECT t.from, t.where, t.order FROM t WHERE t.returning = 'c' ORDER BY t.order;
SELECT id AS from, id AS where, t.order AS group, t.set AS union FROM t ORDER BY 1;
DELETE FROM t USING u WHERE u.using = t.order AND u.on = 5 RETURNING t.returning;
INSERT INTO t SELECT u.id + 10, u.from FROM u RETURNING t.from AS returning;
INSERT INTO t SELECT id + 20 AS returning, u.from AS from FROM u ON CONFLICT (id) DO UPDATE SET "from" = excluded.from WHERE t.where = 'b' RETURNING t.where;
INSERT INTO t SELECT id + 20 AS on, u.conflict AS conflict FROM u ON CONFLICT (id) DO UPDATE SET "from" = excluded.from || t.from RETURNING t.from AS set;
MERGE INTO t USING u ON t.order = u.on AND u.using = 1 WHEN MATCHED AND u.conflict = 5 THEN UPDATE SET "from" = u.from;
WITH x AS (UPDATE t SET "set" = u.from FROM u WHERE u.on = t.order RETURNING t.set, t.id AS where) SELECT x.set, x.where FROM x;
SELECT * FROM u WHERE u.using IN (SELECT t.order FROM t);
CREATE TEMP TABLE made AS SELECT t.from AS into, t.id AS from FROM t;
-- origin differs
SELECT made.into, made.from AS using FROM made ORDER BY made.from;
COPY (SELECT t.from AS from FROM t ORDER BY t.id) TO STDOUT;
SELECT * FROM t ORDER BY id;
