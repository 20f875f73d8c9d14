-- setup
-- shows: statements: LOCK TABLE, between connections of a session
-- differs: LOCK TABLE in SHARE mode or stronger | in a draft | It keeps out every writer of the session, whatever table it writes, and nobody else: production's table is locked as by a SELECT. Reads go on under ACCESS EXCLUSIVE.
CREATE TABLE stock (id int PRIMARY KEY, n int);
INSERT INTO stock SELECT n, n FROM generate_series(1, 5) n;
CREATE TABLE notes (id int PRIMARY KEY);
CREATE VIEW low AS SELECT * FROM stock WHERE n < 3;
CREATE TABLE days (day int, n int) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (10);
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one;
-- script
-- expect error 25P01
LOCK TABLE stock;
-- expect error 25P01
LOCK stock IN ACCESS SHARE MODE;
BEGIN;
-- expect error 42P01
LOCK TABLE nowhere IN SHARE MODE;
ROLLBACK;
BEGIN;
-- expect error 42809
LOCK TABLE kept;
ROLLBACK;
BEGIN;
LOCK TABLE ONLY stock, notes IN SHARE ROW EXCLUSIVE MODE NOWAIT;
INSERT INTO notes VALUES (1);
UPDATE stock SET n = n + 1 WHERE id = 1;
SELECT * FROM stock ORDER BY id;
-- connection 2
BEGIN;
SAVEPOINT s;
-- expect error 55P03
LOCK TABLE stock IN EXCLUSIVE MODE NOWAIT;
ROLLBACK TO s;
-- expect error 55P03
LOCK stock IN ROW EXCLUSIVE MODE NOWAIT;
ROLLBACK TO s;
LOCK stock IN ROW SHARE MODE NOWAIT;
LOCK TABLE stock IN ACCESS SHARE MODE NOWAIT;
SELECT count(*) FROM stock;
COMMIT;
-- connection 1
COMMIT;
BEGIN;
LOCK TABLE stock IN SHARE MODE;
-- connection 2
BEGIN;
LOCK TABLE stock IN SHARE MODE NOWAIT;
SAVEPOINT s;
-- expect error 55P03
LOCK TABLE stock IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
ROLLBACK TO s;
-- expect error 55P03
LOCK TABLE low IN ROW EXCLUSIVE MODE NOWAIT;
ROLLBACK;
BEGIN;
LOCK TABLE stock IN ROW SHARE MODE NOWAIT;
COMMIT;
-- connection 1
COMMIT;
BEGIN;
LOCK TABLE days IN ROW EXCLUSIVE MODE;
-- connection 2
BEGIN;
LOCK TABLE days_1 IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
SAVEPOINT s;
-- expect error 55P03
LOCK TABLE days_1 IN SHARE MODE NOWAIT;
ROLLBACK TO s;
LOCK TABLE days IN ROW EXCLUSIVE MODE NOWAIT;
COMMIT;
-- connection 1
COMMIT;
BEGIN READ ONLY;
LOCK TABLE stock IN EXCLUSIVE MODE;
SELECT sum(n) FROM stock;
COMMIT;
BEGIN;
LOCK TABLE stock;
INSERT INTO stock VALUES (6, 6);
COMMIT;
SELECT * FROM stock ORDER BY id;
