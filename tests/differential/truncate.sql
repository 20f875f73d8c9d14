-- setup
-- shows: statements: TRUNCATE, CASCADE, several tables
CREATE TABLE p (id int PRIMARY KEY, u text UNIQUE, n int GENERATED ALWAYS AS IDENTITY, half numeric GENERATED ALWAYS AS (id / 2.0) STORED CHECK (half > 0));
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
CREATE TABLE g (id int PRIMARY KEY, c int REFERENCES c);
CREATE TABLE alone (a int, b text, v text, PRIMARY KEY (a, b));
CREATE TABLE self (id int PRIMARY KEY, up int REFERENCES self);
CREATE VIEW seen AS SELECT * FROM alone;
INSERT INTO p (id, u) SELECT n, 'u' || n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n FROM generate_series(1, 10) n;
INSERT INTO g SELECT n, n FROM generate_series(1, 10) n;
INSERT INTO alone SELECT n, 'b' || n, 'v' FROM generate_series(1, 30) n;
INSERT INTO self SELECT n, nullif(n - 1, 0) FROM generate_series(1, 5) n;
CREATE TABLE above (id int PRIMARY KEY);
CREATE TABLE split (id int, region text, above int REFERENCES above, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE beside (id int PRIMARY KEY, above int REFERENCES above);
CREATE TABLE split_eu PARTITION OF split FOR VALUES IN ('de', 'fr') PARTITION BY HASH (id);
CREATE TABLE split_eu_0 PARTITION OF split_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE split_eu_1 PARTITION OF split_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE split_us PARTITION OF split FOR VALUES IN ('us');
CREATE TABLE below (id int PRIMARY KEY, s int, r text, FOREIGN KEY (s, r) REFERENCES split);
INSERT INTO above VALUES (1), (2);
INSERT INTO split VALUES (1, 'de', 1), (2, 'us', 2);
INSERT INTO beside VALUES (1, 1);
INSERT INTO below VALUES (1, 1, 'de');
-- script
TRUNCATE alone;
SELECT * FROM alone;
SELECT count(*) FROM alone;
SELECT count(*) FROM seen;
SELECT * FROM alone WHERE a = 3 AND b = 'b3';
INSERT INTO alone VALUES (3, 'b3', 'again'), (99, 'x', 'new');
SELECT * FROM alone ORDER BY a;
UPDATE alone SET v = v || '!' RETURNING *;
DELETE FROM alone WHERE a = 4;
-- expect error 23505
INSERT INTO alone VALUES (3, 'b3', 'twice');
INSERT INTO alone VALUES (3, 'b3', 'x'), (4, 'b4', 'y') ON CONFLICT (a, b) DO UPDATE SET v = excluded.v || alone.v RETURNING *;
SELECT * FROM alone ORDER BY a;
-- a savepoint takes it back
BEGIN;
UPDATE alone SET v = 'kept' WHERE a = 99;
SAVEPOINT s;
TRUNCATE TABLE alone;
SELECT * FROM alone;
INSERT INTO alone VALUES (99, 'x', 'inner');
SELECT * FROM alone;
ROLLBACK TO s;
SELECT * FROM alone ORDER BY a;
COMMIT;
SELECT * FROM alone ORDER BY a;
-- and a rollback before any truncation stands
BEGIN;
TRUNCATE self;
SELECT count(*) FROM self;
ROLLBACK;
SELECT count(*), sum(up) FROM self;
UPDATE self SET up = 1 WHERE id = 5;
-- expect error 23503
DELETE FROM self WHERE id = 3;
-- foreign keys
-- expect error 0A000
TRUNCATE p;
-- expect error 0A000
TRUNCATE c;
-- expect error 0A000
TRUNCATE p, c RESTRICT;
UPDATE c SET p = 2 WHERE id = 1;
DELETE FROM g WHERE id <= 3;
DELETE FROM p WHERE id = 2;
SELECT count(*) FROM c;
TRUNCATE p CASCADE;
SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM c), (SELECT count(*) FROM g);
-- expect error 23503
INSERT INTO c VALUES (1, 1);
INSERT INTO p (id, u) VALUES (1, 'u2'), (20, 'u1') RETURNING id, u, half;
INSERT INTO c VALUES (1, 1), (2, 20);
INSERT INTO g VALUES (4, 1);
-- expect error 23505
INSERT INTO p (id, u) VALUES (3, 'u1');
DELETE FROM g;
DELETE FROM p WHERE id = 20;
SELECT * FROM c;
SELECT id, u, half FROM p ORDER BY id;
-- expect error 42P01
TRUNCATE nothere;
-- expect error 42809
TRUNCATE seen;
TRUNCATE ONLY self, self;
SELECT * FROM self;
INSERT INTO self VALUES (3, 3), (1, 3);
SELECT * FROM self ORDER BY id;
TRUNCATE g CONTINUE IDENTITY;
COPY alone FROM STDIN;
50	c	copied
\.
SELECT * FROM alone ORDER BY a;
-- batch
TRUNCATE alone; INSERT INTO alone VALUES (1, 'b1', 'batch'); SELECT * FROM alone;
-- end
TRUNCATE p RESTART IDENTITY CASCADE;
TRUNCATE alone RESTART IDENTITY;
SELECT count(*) FROM alone;
INSERT INTO alone VALUES (7, 'b7', 'last');
BEGIN;
TRUNCATE above CASCADE;
SELECT (SELECT count(*) FROM split), (SELECT count(*) FROM beside), (SELECT count(*) FROM below);
ROLLBACK;
TRUNCATE split, above, beside CASCADE;
SELECT (SELECT count(*) FROM split), (SELECT count(*) FROM beside), (SELECT count(*) FROM below);
