-- setup
-- shows: tables: row-level security of a partitioned table and of a partition that is read and changed by its own name
-- as writer
CREATE TABLE m (id int, part int, owner text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1);
CREATE TABLE m2 PARTITION OF m FOR VALUES IN (2);
CREATE TABLE m3 PARTITION OF m DEFAULT;
INSERT INTO m SELECT n, 1 + n % 4, CASE n % 2 WHEN 0 THEN 'ann' ELSE 'bob' END FROM generate_series(1, 20) n;
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON m USING (owner = 'ann');
ALTER TABLE m2 ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON m2 USING (owner = 'bob') WITH CHECK (id < 100);
CREATE VIEW vm AS SELECT * FROM m;
-- script
SELECT * FROM m ORDER BY id;
UPDATE m SET owner = owner WHERE id < 8;
SELECT * FROM m ORDER BY id;
SELECT * FROM m1 ORDER BY id;
SELECT * FROM m2 ORDER BY id;
SELECT * FROM m3 ORDER BY id;
-- expect error 42501
INSERT INTO m VALUES (30, 2, 'bob');
INSERT INTO m2 VALUES (31, 2, 'bob');
-- expect error 42501
INSERT INTO m2 VALUES (131, 2, 'bob');
INSERT INTO m VALUES (132, 2, 'ann');
UPDATE m2 SET id = id + 40 WHERE id IN (1, 5, 31) RETURNING *;
SELECT * FROM m2 ORDER BY id;
SELECT * FROM m ORDER BY id;
UPDATE m SET part = 2 WHERE id = 4 RETURNING *;
DELETE FROM m2 WHERE id > 0 RETURNING *;
SELECT * FROM m ORDER BY id;
DELETE FROM m1 WHERE id = 4;
SELECT count(*) FROM m1;
SELECT tableoid::regclass, count(*) FROM m GROUP BY 1 ORDER BY 1;
