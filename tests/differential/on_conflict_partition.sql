-- A partition has its own name for the key.
-- setup
-- shows: tables: partitions: ON CONFLICT by the name of a partition's own constraint
CREATE TABLE part (id int, region text, v int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
CREATE TABLE part_rest PARTITION OF part DEFAULT;
INSERT INTO part VALUES (1, 'eu', 1), (2, 'us', 2);
-- script
INSERT INTO part_rest VALUES (2, 'us', 3) ON CONFLICT ON CONSTRAINT part_rest_pkey DO UPDATE SET v = 9;
INSERT INTO part_rest VALUES (2, 'us', 3) ON CONFLICT ON CONSTRAINT part_rest_pkey DO UPDATE SET v = excluded.v RETURNING *;
INSERT INTO part_rest VALUES (2, 'us', 3) ON CONFLICT (region, id) DO NOTHING;
INSERT INTO part VALUES (2, 'us', 3) ON CONFLICT ON CONSTRAINT part_pkey DO UPDATE SET v = 10;
-- expect error 42704
INSERT INTO part_rest VALUES (2, 'us', 3) ON CONFLICT ON CONSTRAINT part_pkey DO UPDATE SET v = 10;
SELECT * FROM part;
-- expect error 23502
INSERT INTO part_rest VALUES (65, NULL, 3) ON CONFLICT ON CONSTRAINT part_rest_pkey DO UPDATE SET id = 20, v = 1 WHERE 30 IS NOT NULL;
