-- setup
-- shows: tables: CHECK and NOT NULL that single partitions have of their own
-- needs: PostgreSQL 15
CREATE TABLE part (id int, region text, v int CHECK (v > -100), w text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
CREATE TABLE part_us PARTITION OF part (CONSTRAINT w_short CHECK (length(w) < 5)) FOR VALUES IN ('us');
CREATE TABLE part_ab (w text NOT NULL, v int NOT NULL CHECK (v > -100), region text NOT NULL, id int NOT NULL);
ALTER TABLE part RENAME CONSTRAINT part_v_check TO part_ab_v_check;
ALTER TABLE part ATTACH PARTITION part_ab FOR VALUES IN ('a', 'b');
CREATE TABLE part_as PARTITION OF part FOR VALUES IN ('as') PARTITION BY RANGE (id);
CREATE TABLE part_as_low PARTITION OF part_as FOR VALUES FROM (0) TO (10);
CREATE TABLE part_as_high PARTITION OF part_as FOR VALUES FROM (10) TO (100);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
INSERT INTO part VALUES (1, 'eu', 50, 'old'), (2, 'us', 5, 'w'), (3, 'a', 1, 'w'), (4, 'as', 1, 'w'), (14, 'as', 1, 'w'), (5, 'xx', 1, 'w');
ALTER TABLE part_eu ADD CHECK (v < 10) NOT VALID;
ALTER TABLE part_eu ADD CONSTRAINT a_first CHECK (w <> 'bad');
ALTER TABLE part_eu ALTER w SET NOT NULL;
ALTER TABLE part_us ADD CONSTRAINT a_first CHECK (w <> 'worse');
ALTER TABLE part_as ADD CONSTRAINT of_as CHECK (v <> 7);
ALTER TABLE part_as_high ALTER v SET NOT NULL;
ALTER TABLE part_rest ADD CHECK (v IS NOT NULL);
-- script
INSERT INTO part VALUES (10, 'eu', 1, 'x'), (10, 'us', 1000, 'x'), (10, 'b', 1, 'bad'), (10, 'as', 1, 'bad'), (10, 'yy', 1, 'bad') RETURNING *;
-- expect error 23514
INSERT INTO part VALUES (11, 'eu', 100, 'x');
-- expect error 23514
INSERT INTO part_eu VALUES (11, 'eu', 100, 'x');
-- expect error 23514
INSERT INTO part VALUES (11, 'eu', 100, 'bad');
-- expect error 23514
INSERT INTO part VALUES (11, 'eu', -100, 'bad');
-- expect error 23514
INSERT INTO part VALUES (11, 'eu', -100, 'x');
-- expect error 23502
INSERT INTO part VALUES (11, 'eu', 100, NULL);
-- expect error 23502
INSERT INTO part VALUES (NULL, 'eu', 100, NULL);
INSERT INTO part VALUES (11, 'us', 100, NULL);
-- expect error 23514
INSERT INTO part VALUES (12, 'us', 100, 'longer');
-- expect error 23514
INSERT INTO part VALUES (12, 'us', 100, 'worse');
-- expect error 23502
INSERT INTO part VALUES (12, 'a', NULL, NULL);
-- expect error 23502
INSERT INTO part VALUES (NULL, 'a', NULL, 'x');
-- expect error 23514
INSERT INTO part VALUES (1, 'as', 7, 'x');
INSERT INTO part VALUES (1, 'as', NULL, 'x');
-- expect error 23502
INSERT INTO part VALUES (11, 'as', NULL, 'x');
-- expect error 23514
INSERT INTO part VALUES (11, 'as', 7, 'x');
-- expect error 23514
INSERT INTO part VALUES (11, 'zz', NULL, 'x');
-- expect error 23502
INSERT INTO part VALUES (NULL, NULL, NULL, NULL);
-- expect error 23502
INSERT INTO part VALUES (1, NULL, NULL, NULL);
-- expect error 23514
UPDATE part SET v = 60 WHERE region = 'eu' AND id = 1;
-- expect error 23514
UPDATE part_eu SET w = 'new' WHERE id = 1;
UPDATE part_eu SET w = 'new', v = 9 WHERE id = 1 RETURNING *;
-- expect error 23502
UPDATE part_eu SET w = NULL WHERE id = 1;
-- expect error 23514
UPDATE part SET region = 'eu' WHERE region = 'us' AND id = 10;
-- expect error 23502
UPDATE part SET region = 'eu' WHERE region = 'us' AND id = 11;
UPDATE part SET region = 'eu', v = 3 WHERE region = 'us' AND id = 10 AND v = 1000 AND false;
UPDATE part SET region = 'us', w = 'bad' WHERE region = 'eu' AND id = 1 RETURNING *;
-- expect error 23514
INSERT INTO part VALUES (20, 'eu', 1, 'x'), (21, 'eu', 11, 'x');
INSERT INTO part VALUES (10, 'eu', 2, 'y') ON CONFLICT (id, region) DO UPDATE SET v = excluded.v, w = excluded.w;
-- expect error 23514
INSERT INTO part VALUES (10, 'eu', 2, 'y') ON CONFLICT (id, region) DO UPDATE SET v = 22;
-- expect error 23514
INSERT INTO part VALUES (10, 'eu', 22, 'y') ON CONFLICT (id, region) DO NOTHING;
-- expect error 23514
MERGE INTO part p USING (VALUES (10)) s (id) ON p.id = s.id AND p.region = 'eu' WHEN MATCHED THEN UPDATE SET v = 33;
-- expect error 23514
COPY part FROM STDIN;
30	eu	30	c
\.
COPY part FROM STDIN;
30	eu	3	c
30	us	30	c
\.
SELECT * FROM part ORDER BY region, id;
