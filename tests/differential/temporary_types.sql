-- setup
-- shows: tables: temporary tables named like a type that defaults, checks, conditions of indexes and views of production name
CREATE TABLE t (id int PRIMARY KEY, v text DEFAULT 'text::text', d date DEFAULT '2020-01-01', j jsonb DEFAULT '{}' CHECK (j <> '5'::jsonb),
    k text CHECK (k <> 'bad'), l text GENERATED ALWAYS AS (upper(coalesce(k, 'none'::text))) STORED);
CREATE UNIQUE INDEX t_k ON t (lower(k)) WHERE k <> 'x';
INSERT INTO t (id, k) VALUES (1, 'a'), (2, 'b');
CREATE VIEW tv AS SELECT id, v, k FROM t WHERE k <> 'hidden'::text WITH CHECK OPTION;
CREATE TABLE p (id int, r text, PRIMARY KEY (id, r)) PARTITION BY LIST (r);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('a');
CREATE TABLE p2 PARTITION OF p FOR VALUES IN ('b');
-- script
CREATE TEMP TABLE text (z int);
CREATE TEMP TABLE date (z int);
CREATE TEMP TABLE jsonb (z int);
INSERT INTO t (id, k) VALUES (3, 'c') RETURNING *;
INSERT INTO t (id, k) VALUES (4, 'd') ON CONFLICT (id) DO NOTHING RETURNING *;
INSERT INTO t (id, k) VALUES (5, 'D') ON CONFLICT (lower(k)) WHERE k <> 'x' DO UPDATE SET v = DEFAULT, d = DEFAULT RETURNING *;
UPDATE t SET v = DEFAULT, d = DEFAULT WHERE id < 3 RETURNING *;
UPDATE t SET id = id + 10, j = DEFAULT WHERE id < 3 RETURNING *;
-- expect error 23514
UPDATE t SET k = 'bad' WHERE id = 3;
-- expect error 23514
INSERT INTO t (id, k) VALUES (6, 'bad') ON CONFLICT (id) DO NOTHING;
-- expect error 23505
INSERT INTO t (id, k) VALUES (6, 'C');
SELECT * FROM tv ORDER BY id;
UPDATE tv SET v = 'view' WHERE id = 3 RETURNING *;
-- expect error 44000
UPDATE tv SET k = 'hidden' WHERE id = 3;
INSERT INTO p VALUES (1, 'a'), (2, 'b');
INSERT INTO p1 VALUES (3, 'a');
-- expect error 23514
INSERT INTO p1 VALUES (3, 'b');
SELECT * FROM p1 ORDER BY id;
DROP TABLE text, date, jsonb;
SELECT * FROM t ORDER BY id;
