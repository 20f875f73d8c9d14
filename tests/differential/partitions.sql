-- setup
-- shows: tables: partitioned tables (list, range, hash, several levels, default partition, rows that move)
-- differs: what rows of a single partition refer to by foreign keys that it has of its own | found at commit not to be there | the head is made from the partitioned table
CREATE TABLE orders (id int, region text NOT NULL, at date NOT NULL, amount int CHECK (amount >= 0), PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('de', 'fr');
CREATE TABLE orders_us PARTITION OF orders FOR VALUES IN ('us') PARTITION BY RANGE (id);
CREATE TABLE orders_us_low PARTITION OF orders_us FOR VALUES FROM (0) TO (4);
CREATE TABLE orders_us_high PARTITION OF orders_us FOR VALUES FROM (4) TO (1000);
CREATE TABLE hashed (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE logs (day date, line text) PARTITION BY RANGE (day);
CREATE TABLE logs_old (line text, day date);
ALTER TABLE logs ATTACH PARTITION logs_old FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
CREATE TABLE notes (id int PRIMARY KEY, order_id int, region text, FOREIGN KEY (order_id, region) REFERENCES orders ON DELETE CASCADE);
CREATE TABLE parent (id int PRIMARY KEY, v text);
CREATE TABLE child (extra int) INHERITS (parent);
INSERT INTO orders VALUES (1, 'de', '2024-01-01', 5), (2, 'fr', '2024-01-02', 6), (3, 'us', '2024-01-03', 7), (4, 'us', '2024-01-04', 700);
INSERT INTO hashed SELECT g, 'v' || g FROM generate_series(1, 8) g;
INSERT INTO logs VALUES ('2020-05-05', 'old'), ('2024-01-01', 'new'), (NULL, 'none');
INSERT INTO notes VALUES (1, 1, 'de'), (2, 3, 'us');
INSERT INTO parent VALUES (1, 'p');
INSERT INTO child VALUES (2, 'c', 3);
-- script
INSERT INTO orders VALUES (5, 'de', '2024-02-01', 50), (6, 'us', '2024-02-02', 60) RETURNING *;
UPDATE orders SET amount = amount + 100 WHERE id IN (1, 3) RETURNING *;
UPDATE orders SET region = 'fr' WHERE id = 4;
DELETE FROM orders WHERE id = 2;
SELECT * FROM orders ORDER BY id;
SELECT * FROM orders_eu ORDER BY id;
SELECT * FROM orders_us ORDER BY id;
SELECT * FROM orders_us_low ORDER BY id;
SELECT id FROM orders_us_high ORDER BY id;
SELECT count(*) FROM orders_eu;
SELECT count(*) FROM ONLY orders;
SELECT o.id, n.id FROM orders_eu o LEFT JOIN notes n ON n.order_id = o.id ORDER BY 1;
-- expect error 23514
INSERT INTO orders VALUES (9, 'xx', '2024-01-01', 1);
-- expect error 23514
INSERT INTO orders VALUES (5000, 'us', '2024-01-01', 5);
-- expect error 23514
INSERT INTO orders VALUES (9, 'de', '2024-01-01', -5);
-- expect error 23502
INSERT INTO orders VALUES (9, 'us', NULL, 5);
-- expect error 23514
UPDATE orders SET region = 'zz' WHERE id = 1;
-- expect error 23503
INSERT INTO notes VALUES (3, 2, 'fr');
INSERT INTO notes VALUES (3, 6, 'us');
DELETE FROM orders WHERE id = 1;
SELECT * FROM notes ORDER BY id;
INSERT INTO hashed VALUES (9, 'nine'), (10, 'ten');
UPDATE hashed SET v = v || '!' WHERE id % 2 = 0;
DELETE FROM hashed WHERE id IN (3, 4);
UPDATE hashed SET id = 20 WHERE id = 8;
SELECT * FROM hashed ORDER BY id;
SELECT * FROM hashed_0 ORDER BY id;
SELECT * FROM hashed_1 ORDER BY id;
INSERT INTO logs VALUES ('2020-06-06', 'a'), ('2030-01-01', 'b'), (NULL, 'c');
SELECT * FROM logs ORDER BY day, line;
SELECT * FROM logs_old ORDER BY day;
SELECT * FROM logs_rest ORDER BY day, line;
-- expect refused 0A000
UPDATE logs SET line = 'x';
INSERT INTO parent VALUES (5, 'x');
SELECT * FROM parent ORDER BY id;
SELECT * FROM ONLY parent ORDER BY id;
COPY orders FROM STDIN;
30	de	2024-03-01	3
31	us	2024-03-02	300
\.
COPY (SELECT * FROM orders ORDER BY id) TO STDOUT;
SELECT * FROM orders_us_high ORDER BY id;
