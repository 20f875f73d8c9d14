-- setup
-- shows: statements: COPY FROM STDIN in text, csv and binary form
CREATE TABLE t (id int PRIMARY KEY, name varchar(8) NOT NULL DEFAULT 'none', qty int CHECK (qty >= 0), twice int GENERATED ALWAYS AS (qty * 2) STORED);
CREATE TABLE c (id int PRIMARY KEY, t_id int REFERENCES t);
INSERT INTO t (id, name, qty) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
-- script
COPY t FROM STDIN;
10	ten	10
11	\N2	11
\.
SELECT * FROM t ORDER BY id;
COPY t (id, qty) FROM STDOUT;
20	5
\.
DELETE FROM t WHERE id IN (2, 20);
COPY t (id, name) FROM STDIN WITH (FORMAT csv);
2,back
20,again
\.
SELECT * FROM t ORDER BY id;
-- expect error 23505
COPY t (id) FROM STDIN;
1
\.
-- expect error 23505
COPY t (id) FROM STDIN;
10
\.
COPY c FROM STDIN;
1	2
\.
-- expect error 23503
COPY c FROM STDIN;
2	99
\.
COPY t TO STDOUT;
COPY (SELECT name FROM t ORDER BY id) TO STDOUT;
SELECT count(*), sum(twice) FROM t;
