-- setup
-- shows: COPY: FREEZE into a table truncated in the same transaction
-- differs: COPY FREEZE behind a SAVEPOINT that came after the TRUNCATE | the rows are taken | in a draft there is nothing to freeze
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10);
INSERT INTO t VALUES (1, 'a');
-- script
INSERT INTO t VALUES (9, 'z');
-- expect error 55000
COPY t FROM STDIN (FREEZE);
\.
BEGIN;
TRUNCATE t;
COPY t FROM STDIN (FREEZE);
1	b
2	c
\.
COPY t FROM STDIN WITH (FREEZE on, FORMAT csv) WHERE id > 3;
3,b
4,c
\.
COPY t FROM STDIN FREEZE CSV;
5,d
\.
SELECT * FROM t ORDER BY id;
COMMIT;
SELECT * FROM t ORDER BY id;
-- expect error 55000
COPY t FROM STDIN (FREEZE 1);
6	d
\.
COPY t FROM STDIN (FREEZE off);
6	d
\.
BEGIN;
SAVEPOINT s;
TRUNCATE t;
ROLLBACK TO s;
-- expect error 55000
COPY t FROM STDIN (FREEZE);
7	d
\.
ROLLBACK;
BEGIN;
SAVEPOINT s;
TRUNCATE t;
RELEASE s;
COPY t FROM STDIN (FREEZE);
8	e
\.
COMMIT;
SELECT * FROM t ORDER BY id;
BEGIN;
TRUNCATE parted;
-- expect error 0A000
COPY parted FROM STDIN (FREEZE);
8
\.
ROLLBACK;
