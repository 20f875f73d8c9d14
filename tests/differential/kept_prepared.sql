-- setup
-- shows: protocol: simple queries that the server keeps prepared: settings and names that move between two of them
CREATE TABLE k (id int PRIMARY KEY, name varchar(8), small smallint, code char(4), day date, at timestamptz, u uuid, price numeric(8,2), mood text);
INSERT INTO k SELECT n, 'name ' || n, n, 'c' || n, date '2024-01-01' + n, timestamptz '2024-01-01 00:00+00' + n * interval '1 day', ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, n * 1.5, 'ok' FROM generate_series(1, 20) n;
CREATE SCHEMA other;
CREATE TABLE other.k (id int PRIMARY KEY, name text);
INSERT INTO other.k SELECT n, 'other ' || n FROM generate_series(1, 20) n;
CREATE TABLE moves (id int PRIMARY KEY, a int, b text);
INSERT INTO moves SELECT n, n, 'b' || n FROM generate_series(1, 5) n;
-- script
UPDATE k SET name = 'x' WHERE id = 1;
UPDATE other.k SET name = 'x' WHERE id = 1;
UPDATE moves SET a = 100 WHERE id = 1;
SELECT name FROM k WHERE id = 1;
SELECT name FROM k WHERE id = 2;
SELECT name FROM k WHERE id = 3;
SELECT name FROM k WHERE id = -3;
SET search_path = other, public;
SELECT name FROM k WHERE id = 1;
SELECT name FROM k WHERE id = 2;
SELECT name FROM k WHERE id = 3;
RESET search_path;
SELECT name FROM k WHERE id = 4;
-- origins differ
CREATE TEMP TABLE k (id int, name int);
INSERT INTO k VALUES (4, 44);
SELECT name FROM k WHERE id = 4;
SELECT name FROM k WHERE id = 5;
DROP TABLE pg_temp.k;
SELECT name FROM k WHERE id = 4;
SELECT name FROM k WHERE id = 5;
-- dates are read under settings
SET timezone = 'UTC';
SELECT id FROM k WHERE at = '2024-01-05 00:00' ORDER BY id;
SELECT id FROM k WHERE at = '2024-01-06 00:00' ORDER BY id;
SET timezone = 'Asia/Tokyo';
SELECT id FROM k WHERE at = '2024-01-05 09:00' ORDER BY id;
SELECT id FROM k WHERE at = '2024-01-05 00:00' ORDER BY id;
SELECT id FROM k WHERE at = '2024-01-06 09:00' ORDER BY id;
RESET timezone;
SET datestyle = 'ISO, DMY';
SELECT id FROM k WHERE day = '05/01/2024' ORDER BY id;
SELECT id FROM k WHERE day = '06/01/2024' ORDER BY id;
SET datestyle = 'ISO, MDY';
SELECT id FROM k WHERE day = '01/05/2024' ORDER BY id;
SELECT id FROM k WHERE day = '01/06/2024' ORDER BY id;
RESET datestyle;
SELECT count(*) FROM k WHERE day > 'now';
SELECT count(*) FROM k WHERE day > 'tomorrow';
-- errors at their places
-- expect error 22P02
SELECT name FROM k WHERE u = 'none';
SELECT name FROM k WHERE u = '00000000-0000-0000-0000-000000000004';
SELECT name FROM k WHERE u = '00000000-0000-0000-0000-000000000005';
SELECT name FROM k WHERE u = '00000000000000000000000000000006';
-- expect error 22P02
SELECT name FROM k WHERE u = '00000000-0000-0000-0000-00000000000g';
-- expect error 22P02
SELECT name FROM k WHERE id = 'five';
SELECT name FROM k WHERE id = '5';
SELECT name FROM k WHERE small = 5;
SELECT name FROM k WHERE small = 50000;
SELECT name FROM k WHERE small = 5000000000;
-- expect error 22003
UPDATE k SET small = 50000 WHERE id = 2;
UPDATE k SET small = 500 WHERE id = 2;
-- expect error 22003
UPDATE k SET small = 60000 WHERE id = 2;
-- expect error 22001
UPDATE k SET name = 'much too long' WHERE id = 2;
UPDATE k SET name = 'short' WHERE id = 2;
UPDATE k SET name = 'blank    ' WHERE id = 2;
-- expect error 22003
UPDATE k SET price = 1234567.89 WHERE id = 2;
UPDATE k SET price = 1.999 WHERE id = 2;
UPDATE k SET price = 2.111 WHERE id = 2 RETURNING price, name;
UPDATE k SET price = 2.115 WHERE id = 3 RETURNING price, name;
SELECT id, name FROM k WHERE code = 'c7' ORDER BY id;
SELECT id, name FROM k WHERE code = 'c8  ' ORDER BY id;
SELECT id, name FROM k WHERE code = 'c9   ' ORDER BY id;
SELECT id FROM k WHERE name = 'name 9' OR name = 'blank' ORDER BY id;
SELECT id FROM k WHERE name = 'name 10' OR name = 'blank    ' ORDER BY id;
SELECT id FROM k WHERE id IN (1, 2, 3) AND price BETWEEN 1 AND 4.5 ORDER BY id;
SELECT id FROM k WHERE id IN (4, 5, 6) AND price BETWEEN 2 AND 7.5 ORDER BY id;
SELECT small > 3 AS large, count(*) FROM k WHERE id > 2 GROUP BY small > 3 ORDER BY 1;
SELECT small > 4 AS large, count(*) FROM k WHERE id > 3 GROUP BY small > 4 ORDER BY 1;
SELECT id, (SELECT count(*) FROM moves m WHERE m.a = 2) AS c FROM k WHERE id = 1 GROUP BY id, (SELECT count(*) FROM moves m WHERE m.a = 2);
SELECT id, (SELECT count(*) FROM moves m WHERE m.a = 3) AS c FROM k WHERE id = 2 GROUP BY id, (SELECT count(*) FROM moves m WHERE m.a = 3);
SELECT id FROM k WHERE id > 4 ORDER BY 1 LIMIT 2 OFFSET 1;
SELECT id FROM k WHERE id > 5 ORDER BY 1 LIMIT 3 OFFSET 2;
INSERT INTO k (id, name, small) VALUES (30, 'a', 1), (31, 'b', -2);
INSERT INTO k (id, name, small) VALUES (32, 'c', 3), (33, 'd', -4);
-- expect error 23505
INSERT INTO k (id, name, small) VALUES (34, 'e', 5), (33, 'f', -6);
INSERT INTO k (id, name, small) VALUES (35, 'g', 7), (36, 'h', -8) RETURNING id, name, day;
DELETE FROM k WHERE id = 30;
DELETE FROM k WHERE id = 31;
DELETE FROM k WHERE id = 99;
-- what the client prepared and what is kept are apart
PREPARE p AS SELECT name FROM k WHERE id = $1;
EXECUTE p(3);
DEALLOCATE ALL;
SELECT name FROM k WHERE id = 6;
SELECT name FROM k WHERE id = 7;
DISCARD ALL;
SELECT name FROM k WHERE id = 6;
SELECT name FROM k WHERE id = 7;
-- transactions
BEGIN;
SELECT name FROM k WHERE id = 8;
UPDATE k SET name = 'in' WHERE id = 8;
SELECT name FROM k WHERE id = 8;
SAVEPOINT s;
UPDATE k SET name = 'out' WHERE id = 8;
-- expect error 22012
SELECT 1 / (small - small) FROM k WHERE id = 8;
-- expect error 25P02
SELECT name FROM k WHERE id = 8;
ROLLBACK TO s;
SELECT name FROM k WHERE id = 8;
UPDATE k SET name = 'again' WHERE id = 8;
COMMIT;
SELECT name FROM k WHERE id = 8;
BEGIN;
DEALLOCATE ALL;
ROLLBACK;
SELECT name FROM k WHERE id = 8;
BEGIN READ ONLY;
SELECT name FROM k WHERE id = 9;
-- expect error 25006
UPDATE k SET name = 'never' WHERE id = 9;
ROLLBACK;
UPDATE k SET name = 'ever' WHERE id = 9;
SELECT * FROM k ORDER BY id;
SELECT * FROM moves WHERE id = 2;
SELECT * FROM moves WHERE id = 3;
-- expect error 42703
SELECT nothing FROM moves WHERE id = 3;
SELECT a FROM moves WHERE id = 3;
EXPLAIN (COSTS OFF) SELECT 1 WHERE 1 = 1;
