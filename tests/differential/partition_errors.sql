-- setup
-- shows: constraints: errors of a partitioned table's rows, which name the partition and its own constraints
-- shows: constraints: unique keys that one partition has alone
-- differs: 23503 of an UPDATE that moves a referenced row from one partition to another | names the partition | PostgreSQL names the partitioned table then
CREATE TABLE orders (id int, region text NOT NULL, at date NOT NULL, amount int CHECK (amount >= 0), code text, PRIMARY KEY (id, region), UNIQUE (code, region, id)) PARTITION BY LIST (region);
CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('de', 'fr');
CREATE TABLE orders_us PARTITION OF orders FOR VALUES IN ('us') PARTITION BY RANGE (id);
CREATE TABLE orders_us_low PARTITION OF orders_us FOR VALUES FROM (0) TO (4);
CREATE TABLE "Orders us High" (amount int CONSTRAINT orders_amount_check CHECK (amount >= 0), code text, at date NOT NULL, region text NOT NULL, id int NOT NULL);
ALTER TABLE orders_us ATTACH PARTITION "Orders us High" FOR VALUES FROM (4) TO (1000);
CREATE TABLE hashed (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE child (id int PRIMARY KEY, h int REFERENCES hashed DEFERRABLE, o int, r text, FOREIGN KEY (o, r) REFERENCES orders (id, region)) PARTITION BY RANGE (id);
CREATE TABLE child_a PARTITION OF child FOR VALUES FROM (0) TO (100);
CREATE TABLE child_b PARTITION OF child FOR VALUES FROM (100) TO (200);
ALTER TABLE child_b ADD CONSTRAINT own UNIQUE (h);
CREATE UNIQUE INDEX child_a_h_o ON child_a (h, (o + 1)) WHERE o > 0;
CREATE TABLE stand_in (a int NOT NULL, b text NOT NULL) PARTITION BY RANGE (a);
CREATE TABLE stand_in_1 PARTITION OF stand_in FOR VALUES FROM (0) TO (100);
CREATE TABLE stand_in_2 PARTITION OF stand_in DEFAULT;
CREATE UNIQUE INDEX ON stand_in (b, a);
CREATE TABLE counts (a int, b text) PARTITION BY RANGE (a);
CREATE TABLE counts_1 PARTITION OF counts FOR VALUES FROM (0) TO (100);
CREATE UNIQUE INDEX ON counts (b, a);
INSERT INTO orders VALUES (1, 'de', '2024-01-01', 5, 'a'), (2, 'fr', '2024-01-02', 6, 'b'), (3, 'us', '2024-01-03', 7, 'c'), (4, 'us', '2024-01-04', 700, 'd');
INSERT INTO hashed SELECT g, 'v' || g FROM generate_series(1, 8) g;
INSERT INTO child VALUES (1, 1, 1, 'de'), (2, 2, 4, 'us'), (101, 3, NULL, NULL), (102, 4, 3, 'us');
INSERT INTO stand_in VALUES (1, 'x'), (200, 'y');
INSERT INTO counts VALUES (1, 'x');
-- script
-- expect error 23505
INSERT INTO orders VALUES (1, 'de', '2024-01-01', 5, 'zz');
-- expect error 23505
INSERT INTO orders VALUES (4, 'us', '2024-01-01', 5, 'zz');
-- expect error 23505
INSERT INTO orders_us VALUES (4, 'us', '2024-01-01', 5, 'zz');
-- expect error 23505
INSERT INTO "Orders us High" VALUES (5, 'zz', '2024-01-01', 'us', 4);
-- expect error 23514
INSERT INTO orders VALUES (44, 'us', '2024-01-01', -5, 'zz');
-- expect error 23502
INSERT INTO orders VALUES (44, 'us', NULL, 5, 'zz');
INSERT INTO orders VALUES (10, 'de', '2024-01-01', 5, 'zz'), (11, 'us', '2024-01-01', 5, 'zz');
-- expect error 23505
INSERT INTO orders VALUES (10, 'de', '2024-01-01', 5, 'zz');
-- expect error 23505
INSERT INTO orders_us VALUES (11, 'us', '2024-01-01', 5, 'zz');
-- expect error 23505
INSERT INTO "Orders us High" VALUES (5, 'zz', '2024-01-01', 'us', 11);
-- expect error 23505
UPDATE orders SET region = 'de', id = 1 WHERE id = 3;
-- expect error 23505
UPDATE orders SET region = 'us', id = 3 WHERE id = 1;
-- expect error 23514
UPDATE orders SET amount = -1 WHERE id = 4;
-- expect error 23505
INSERT INTO hashed VALUES (1, 'q');
-- expect error 23505
INSERT INTO hashed VALUES (3, 'q');
-- expect error 23505
UPDATE hashed SET id = 3 WHERE id = 8;
-- expect error 23503
DELETE FROM hashed WHERE id = 1;
-- expect error 23503
DELETE FROM hashed WHERE id = 3;
-- expect error 23503
DELETE FROM orders WHERE id = 4;
-- expect error 23503
DELETE FROM orders_us WHERE id = 3;
-- expect error 23505
INSERT INTO child VALUES (102, 1);
-- expect error 23503
INSERT INTO child VALUES (3, 99);
-- expect error 23503
INSERT INTO child VALUES (103, 99);
-- expect error 23503
INSERT INTO child VALUES (103, 1, 1, 'xx');
-- expect error 23503
UPDATE child SET h = 77 WHERE id = 1;
-- expect error 23503
UPDATE child_b SET h = 77 WHERE id = 101;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO child VALUES (103, 99);
-- expect error 23503
COMMIT;
-- expect error 23505
INSERT INTO child VALUES (150, 3);
-- expect error 23505
UPDATE child SET h = 3 WHERE id = 102;
INSERT INTO child VALUES (151, 6);
-- expect error 23505
INSERT INTO child VALUES (152, 6);
-- expect error 23505
INSERT INTO child_b VALUES (160, 6);
INSERT INTO child VALUES (60, 6, 2, 'fr');
-- expect error 23505
INSERT INTO child VALUES (61, 6, 2, 'fr');
INSERT INTO child VALUES (62, 6, NULL, 'fr');
INSERT INTO child VALUES (161, 6) ON CONFLICT DO NOTHING;
-- expect error 23505
INSERT INTO child VALUES (162, 6) ON CONFLICT (id) DO UPDATE SET h = 1;
-- expect error 23505
INSERT INTO stand_in VALUES (1, 'x');
-- expect error 23505
INSERT INTO stand_in VALUES (200, 'y');
INSERT INTO stand_in VALUES (300, 'y');
-- expect error 23505
INSERT INTO stand_in VALUES (300, 'y');
-- expect error 23505
INSERT INTO counts VALUES (1, 'x');
INSERT INTO counts VALUES (1, NULL), (1, NULL), (2, 'x');
-- expect error 23505
INSERT INTO counts VALUES (2, 'x');
SELECT * FROM orders ORDER BY id, region;
SELECT * FROM child ORDER BY id;
SELECT * FROM stand_in ORDER BY a;
SELECT * FROM counts ORDER BY a, b;
