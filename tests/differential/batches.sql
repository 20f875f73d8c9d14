-- setup
-- differs: statement_timestamp() and now() of a simple query outside a transaction block, where it reads or changes what the session changed | statement_timestamp() is some microseconds later | the query goes by the extended protocol, where PostgreSQL notes the time at each message
-- shows: statements: several statements in one Query, implicit transactions
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
-- script
-- batch
INSERT INTO t VALUES (3, 3); SELECT * FROM t ORDER BY id; UPDATE t SET v = v * 10
-- end
SELECT * FROM t ORDER BY id;
-- batch
-- end
-- batch
;;
-- end
-- batch
INSERT INTO t VALUES (4, 4); INSERT INTO t VALUES (1, 1); INSERT INTO t VALUES (5, 5)
-- end
SELECT * FROM t ORDER BY id;
-- batch
BEGIN; INSERT INTO t VALUES (6, 6); COMMIT; INSERT INTO t VALUES (7, 7); SELECT 1 / 0
-- end
SELECT * FROM t ORDER BY id;
-- batch
BEGIN; DELETE FROM t WHERE id = 6; SELECT count(*) FROM t
-- end
SELECT count(*) FROM t;
-- batch
ROLLBACK; SELECT count(*) FROM t; -- a comment; with a semicolon
SELECT 'a;b', $$x;y$$, "id" FROM t WHERE id = 1;
-- end
-- batch
SELECT 1; SELEC 2; DELETE FROM t
-- end
SELECT count(*) FROM t;
-- batch
UPDATE t SET v = 1 WHERE id = 1 RETURNING *; DELETE FROM t WHERE id = 2 RETURNING v; INSERT INTO t VALUES (8, 8) RETURNING id
-- end
-- batch
BEGIN; SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; UPDATE t SET v = 77 WHERE id = 1; COMMIT
-- end
SELECT * FROM t ORDER BY id;
-- batch
SELECT nope FROM t; DELETE FROM t
-- end
SELECT count(*) FROM t;
