-- setup
-- shows: tables: partitions changed by their own names (INSERT, UPDATE, DELETE, MERGE, ON CONFLICT, COPY, sub-partitions, default partition), partition constraints
-- needs: PostgreSQL 15
-- differs: a row that no partition of the tree takes, written to a partition by name | 23514 names the partitioned table | PostgreSQL names the partition's own constraint
-- differs: DETAIL of 23514 and 23502 for a row written by name to a partition whose columns stand in another order than those of the partitioned table | its columns in the order of the partitioned table | the head is that of the partitioned table
CREATE TABLE orders (id int, region text NOT NULL, at date NOT NULL DEFAULT '2024-06-01', amount int CHECK (amount >= 0), PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('de', 'fr');
CREATE TABLE orders_us PARTITION OF orders FOR VALUES IN ('us') PARTITION BY RANGE (id);
CREATE TABLE orders_us_low PARTITION OF orders_us FOR VALUES FROM (0) TO (4);
CREATE TABLE orders_us_high PARTITION OF orders_us FOR VALUES FROM (4) TO (1000);
CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
CREATE TABLE logs (day date, line text, PRIMARY KEY (day, line)) PARTITION BY RANGE (day);
CREATE TABLE logs_old (line text NOT NULL, day date NOT NULL, PRIMARY KEY (day, line));
ALTER TABLE logs ATTACH PARTITION logs_old FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE logs_new PARTITION OF logs FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE hashed (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE notes (id int PRIMARY KEY, order_id int, region text, FOREIGN KEY (order_id, region) REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO orders VALUES (1, 'de', '2024-01-01', 5), (2, 'fr', '2024-01-02', 6), (3, 'us', '2024-01-03', 7), (4, 'us', '2024-01-04', 700), (5, 'jp', '2024-01-05', 1);
INSERT INTO logs VALUES ('2020-05-05', 'old'), ('2024-01-01', 'new');
INSERT INTO hashed SELECT g, 'v' || g FROM generate_series(1, 8) g;
INSERT INTO notes VALUES (1, 1, 'de'), (2, 3, 'us');
-- script
INSERT INTO orders_eu VALUES (11, 'de', '2024-01-01', 1);
INSERT INTO orders_eu (region, id) VALUES ('fr', 12) RETURNING *;
INSERT INTO orders_eu AS e SELECT id + 100, region, at, amount FROM orders_eu WHERE id < 3 RETURNING e.id, region;
UPDATE orders_eu SET amount = amount + 1 WHERE id > 1 RETURNING id, amount;
UPDATE orders_eu SET region = 'fr' WHERE id = 1 RETURNING *;
DELETE FROM orders_eu WHERE id = 2 RETURNING *;
SELECT * FROM orders ORDER BY id, region;
SELECT * FROM orders_eu ORDER BY id;
-- expect error 23514
INSERT INTO orders_eu VALUES (13, 'us', '2024-01-01', 1);
-- expect error 23514
UPDATE orders_eu SET region = 'us' WHERE id = 1;
-- expect error 23514
UPDATE orders_eu SET region = 'us' WHERE id = 1 RETURNING *;
-- expect error 23514
INSERT INTO orders_rest VALUES (13, 'de', '2024-01-01', 1);
-- expect error 23514
INSERT INTO orders_us VALUES (13, 'de', '2024-01-01', 1);
-- expect error 23514
INSERT INTO orders_us_low VALUES (7, 'us', '2024-01-01', 1);
-- expect error 23514
INSERT INTO orders_us VALUES (7000, 'us', '2024-01-01', 1);
-- expect error 23514
INSERT INTO orders_eu VALUES (14, 'de', '2024-01-01', -1);
-- expect error 23502
INSERT INTO orders_eu (id, region, at) VALUES (14, 'de', NULL);
-- expect error 42703
INSERT INTO orders_eu (id, nothing) VALUES (14, 'de');
INSERT INTO orders_rest VALUES (13, 'jp', '2024-01-01', 1);
UPDATE orders_rest SET region = 'cn' WHERE id = 5;
-- expect error 23514
UPDATE orders_rest SET region = 'fr' WHERE id = 5;
INSERT INTO orders_us VALUES (2, 'us', '2024-03-03', 9) RETURNING id;
UPDATE orders_us SET id = 40 WHERE id = 3;
UPDATE orders_us_high SET amount = 0 WHERE id = 40 RETURNING *;
SELECT * FROM orders_us_low ORDER BY id;
SELECT * FROM orders_us_high ORDER BY id;
SELECT * FROM notes ORDER BY id;
INSERT INTO orders_eu VALUES (11, 'de', '2024-01-01', 77) ON CONFLICT (id, region) DO UPDATE SET amount = excluded.amount + orders_eu.amount RETURNING *;
INSERT INTO orders_eu VALUES (11, 'de', '2024-01-01', 77), (15, 'de', '2024-01-01', 15) ON CONFLICT DO NOTHING RETURNING id;
-- expect error 23514
INSERT INTO orders_eu VALUES (3, 'us', '2024-01-01', 77) ON CONFLICT (id, region) DO NOTHING;
MERGE INTO orders_eu e USING (VALUES (11, 'de'), (16, 'fr')) v (id, region) ON e.id = v.id AND e.region = v.region WHEN MATCHED THEN UPDATE SET amount = 1 WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.region, '2024-07-07', 2);
-- expect error 23514
MERGE INTO orders_eu e USING (VALUES (17, 'us')) v (id, region) ON e.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.region, '2024-07-07', 2);
SELECT * FROM orders_eu ORDER BY id;
INSERT INTO logs_old VALUES ('turned', '2020-06-06');
INSERT INTO logs_old VALUES ('turned', '2020-06-07') RETURNING *;
INSERT INTO logs_old (day, line) VALUES ('2020-06-08', 'named');
UPDATE logs_old SET line = line || '!' WHERE day < '2020-06-01' RETURNING *;
-- expect error 23514
UPDATE logs_old SET day = '2024-05-05' WHERE line = 'named';
UPDATE logs SET day = '2024-05-05' WHERE line = 'named';
SELECT * FROM logs_old ORDER BY day;
SELECT * FROM logs ORDER BY day;
UPDATE hashed_0 SET v = v || '!' RETURNING id;
DELETE FROM hashed_1 USING hashed_0 z WHERE hashed_1.id = z.id + 1;
SELECT * FROM hashed ORDER BY id;
COPY orders_eu FROM STDIN;
50	de	2024-03-01	3
51	fr	2024-03-02	300
\.
COPY logs_old (line, day) FROM STDIN WHERE line <> 'not';
copied	2020-07-07
not	2020-07-08
\.
-- expect error 23514
COPY orders_eu FROM STDIN;
52	us	2024-03-02	300
\.
COPY orders_eu TO STDOUT;
COPY logs_old TO STDOUT;
BEGIN;
INSERT INTO orders_us_high VALUES (500, 'us', '2024-01-01', 5);
SAVEPOINT a;
DELETE FROM orders_us_high;
ROLLBACK TO a;
SELECT count(*) FROM orders_us_high;
COMMIT;
WITH gone AS (DELETE FROM orders_eu WHERE id = 50 RETURNING *) SELECT id, region FROM gone;
-- expect error 0A000
TRUNCATE orders_eu;
SELECT * FROM orders ORDER BY id, region;
