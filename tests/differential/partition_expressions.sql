-- setup
-- shows: tables: partitioned by expressions, without partitions
CREATE TABLE bare (a int PRIMARY KEY, b text) PARTITION BY RANGE (a);
CREATE TABLE spans (a text, b int, c int) PARTITION BY RANGE (a, (b + 0), lower(a));
CREATE TABLE spans_a PARTITION OF spans FOR VALUES FROM ('a', 1, 'a') TO ('a', 10, 'z') PARTITION BY LIST ((c % 3));
CREATE TABLE spans_a0 PARTITION OF spans_a FOR VALUES IN (0);
CREATE TABLE "Odd" (a text COLLATE "C", "B" text) PARTITION BY LIST ((a || ',(' || "B") COLLATE "C" text_ops);
CREATE TABLE odd_xy PARTITION OF "Odd" FOR VALUES IN ('x,(y');
INSERT INTO spans VALUES ('a', 2, 3);
-- script
SELECT tableoid::regclass, * FROM bare;
-- expect error 23514
INSERT INTO bare VALUES (1, 'x') RETURNING tableoid::regclass;
UPDATE bare SET b = 'y' RETURNING tableoid::regclass, a;
DELETE FROM bare RETURNING tableoid;
INSERT INTO spans VALUES ('a', 3, 6) RETURNING tableoid::regclass;
-- expect error 23514
INSERT INTO spans VALUES ('b', 3, 6);
-- expect error 23514
INSERT INTO spans VALUES ('a', 3, 7);
-- expect error 23514
INSERT INTO spans VALUES (NULL, 3, NULL);
INSERT INTO "Odd" VALUES ('x', 'y') RETURNING tableoid::regclass;
-- expect error 23514
INSERT INTO "Odd" VALUES ('x', 'z');
SELECT tableoid::regclass, * FROM spans ORDER BY a, b;
-- expect error 42809
TRUNCATE ONLY spans;
-- expect error 42809
TRUNCATE ONLY spans_a;
TRUNCATE bare;
TRUNCATE spans;
SELECT count(*) FROM spans;
