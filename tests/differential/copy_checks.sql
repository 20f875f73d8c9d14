-- setup
-- shows: COPY: a row that NOT NULL, CHECK or a partition forbids is refused where it stands: rows behind it take no numbers from sequences
CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL, qty int CHECK (qty > 0), twice int GENERATED ALWAYS AS (qty * 2) STORED CHECK (twice < 100));
CREATE TABLE p (id serial, region text NOT NULL, n int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE p_eu PARTITION OF p (n CHECK (n <> 7)) FOR VALUES IN ('eu');
CREATE TABLE p_us PARTITION OF p FOR VALUES IN ('us');
CREATE TABLE nokey (id serial, v int NOT NULL);
CREATE TABLE "Odd d1_in" (id serial PRIMARY KEY, "the qty" int CHECK ("the qty" > 0));
INSERT INTO t (name, qty) VALUES ('a', 1);
INSERT INTO p (region, n) VALUES ('eu', 1);
-- script
-- expect error 23514
COPY t (name, qty) FROM STDIN;
b	2
c	0
d	3
e	4
\.
INSERT INTO t (name, qty) VALUES ('f', 5) RETURNING id;
-- expect error 23514
COPY t (name, qty) FROM STDIN;
g	50
h	1
\.
COPY t (name, qty) FROM STDIN;
g	6
h	\N
\.
INSERT INTO t (name, qty) VALUES ('j', 8) RETURNING id;
-- expect error 23502
COPY t (name, qty) FROM STDIN (FORMAT csv);
k,9
,10
l,11
\.
INSERT INTO t (name, qty) VALUES ('m', 12) RETURNING id;
-- expect error 23514
COPY t (id, name, qty) FROM STDIN;
1	taken	1
90	bad	0
\.
-- expect error 23505
COPY t (id, name, qty) FROM STDIN;
90	good	1
1	taken	1
\.
COPY t (name, qty) FROM STDIN;
n	13
o	14
\.
SELECT * FROM t ORDER BY id;
-- expect error 23514
COPY p (region, n) FROM STDIN;
eu	1
us	7
eu	7
us	8
\.
INSERT INTO p (region, n) VALUES ('us', 1) RETURNING id;
-- expect error 23514
COPY p (region, n) FROM STDIN;
eu	1
asia	7
us	8
\.
INSERT INTO p (region, n) VALUES ('us', 2) RETURNING id;
-- expect error 23514
COPY p_eu (region, n) FROM STDIN;
eu	1
us	6
\.
SELECT * FROM p ORDER BY id;
-- expect error 23502
COPY nokey (v) FROM STDIN;
1
\N
2
\.
INSERT INTO nokey (v) VALUES (3) RETURNING id;
-- expect error 23514
COPY "Odd d1_in" ("the qty") FROM STDIN;
1
0
\.
INSERT INTO "Odd d1_in" ("the qty") VALUES (3) RETURNING id;
