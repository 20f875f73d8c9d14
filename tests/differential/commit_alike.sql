-- setup
-- shows: constraints: rows that take the value of the next one under NULLS NOT DISTINCT
-- needs: PostgreSQL 15
CREATE TABLE alike (id int PRIMARY KEY, a int, b int, UNIQUE NULLS NOT DISTINCT (a, b));
INSERT INTO alike SELECT i, i, NULL FROM generate_series(1, 8) i;
-- script
BEGIN;
UPDATE alike SET a = 100 + a;
UPDATE alike SET a = a - 99;
COMMIT;
SELECT * FROM alike ORDER BY id;
