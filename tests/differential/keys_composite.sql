-- setup
-- shows: tables: composite keys
CREATE TABLE t (region text, "no" int, day date, v numeric, PRIMARY KEY (region, "no", day));
CREATE TABLE u (id uuid PRIMARY KEY, v int);
CREATE TABLE c (k char(4) PRIMARY KEY, v int);
CREATE TABLE n (k numeric PRIMARY KEY, v int);
CREATE TABLE ts (k timestamptz, l inet, PRIMARY KEY (l, k));
INSERT INTO t SELECT r, n, date '2024-01-01' + d, n * 1.5 FROM unnest(ARRAY['n', 's', 'ö']) r, generate_series(1, 3) n, generate_series(0, 1) d;
INSERT INTO u VALUES ('11111111-1111-1111-1111-111111111111', 1), ('22222222-2222-2222-2222-222222222222', 2);
INSERT INTO c VALUES ('ab', 1), ('abcd', 2);
INSERT INTO n VALUES (1.0, 1), (2.50, 2);
INSERT INTO ts VALUES ('2024-01-01 00:00+00', '10.0.0.1');
-- script
UPDATE t SET v = v + 1 WHERE region = 's' AND "no" = 2;
DELETE FROM t WHERE region = 'ö' AND day = '2024-01-02' RETURNING *;
INSERT INTO t VALUES ('ö', 1, '2024-01-02', 9), ('w', 1, '2024-01-01', NULL);
UPDATE t SET day = day + 7 WHERE region = 'n' RETURNING *;
UPDATE t SET region = upper(region), "no" = "no" + 10 WHERE region = 's';
SELECT * FROM t ORDER BY region COLLATE "C", "no", day;
SELECT * FROM t WHERE (region, "no") IN (('S', 11), ('w', 1)) ORDER BY 1, 2, 3;
-- expect error 23505
INSERT INTO t VALUES ('w', 1, '2024-01-01', 0);
-- expect error 23505
INSERT INTO t VALUES ('S', 11, '2024-01-01', 0);
-- expect error 23505
UPDATE t SET day = '2024-01-01' WHERE region = 'ö' AND "no" = 1 AND day = '2024-01-02';
UPDATE u SET v = 10 WHERE id = '11111111-1111-1111-1111-111111111111' RETURNING *;
DELETE FROM u WHERE v = 2;
INSERT INTO u VALUES ('22222222-2222-2222-2222-222222222222', 22);
SELECT * FROM u ORDER BY id;
UPDATE c SET v = v + 1 WHERE k = 'ab';
INSERT INTO c VALUES ('x', 5);
-- expect error 23505
INSERT INTO c VALUES ('ab  ', 6);
SELECT * FROM c ORDER BY k;
UPDATE n SET v = 5 WHERE k = 1;
-- expect error 23505
INSERT INTO n VALUES (1.000, 7);
DELETE FROM n WHERE k = 2.5;
INSERT INTO n VALUES (2.5, 8);
SELECT * FROM n ORDER BY k;
UPDATE n SET k = 1.00 WHERE v = 5;
SELECT * FROM n ORDER BY k;
UPDATE ts SET k = k + interval '1 h';
INSERT INTO ts VALUES ('2024-01-01 00:00+00', '10.0.0.1');
SELECT * FROM ts ORDER BY k, l;
