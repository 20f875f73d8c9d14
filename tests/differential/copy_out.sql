-- setup
-- shows: statements: COPY TO STDOUT of a table and of a query
CREATE TABLE t (id int PRIMARY KEY, v text, n numeric);
CREATE TABLE clean (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'a	tab', 1.5), (2, NULL, NULL), (3, 'line
break', 3);
INSERT INTO clean VALUES (1, 'x');
CREATE VIEW seen AS SELECT id, v FROM t;
-- script
COPY clean TO STDOUT;
COPY t TO STDOUT;
COPY (SELECT id, upper(v) FROM clean) TO STDOUT WITH (FORMAT csv, HEADER);
UPDATE t SET v = 'changed' WHERE id = 2;
INSERT INTO t VALUES (4, 'new', 4);
DELETE FROM t WHERE id = 1;
COPY (SELECT * FROM t ORDER BY id) TO STDOUT;
COPY (SELECT id, v FROM t WHERE id > 1 ORDER BY id) TO STDOUT (FORMAT csv);
COPY t TO STDOUT;
COPY t (v, id) TO STDOUT (FORMAT csv, HEADER true);
SELECT * FROM t ORDER BY id;
-- expect error 42P01
COPY missing TO STDOUT;
-- the direction is FROM's and TO's to say, not the stream's name
COPY t TO STDIN;
COPY clean (id) TO STDIN WITH DELIMITER ',' NULL AS 'none';
COPY (SELECT id, 'stdin' AS "from stdin" FROM t ORDER BY id) TO STDOUT;
COPY (SELECT id, v FROM t ORDER BY id) TO STDOUT (DELIMITER ';', NULL 'stdin');
-- columns that cannot be
-- expect error 42703
COPY t (nosuch) TO STDOUT;
-- expect error 42701
COPY t (id, v, id) TO STDOUT;
-- expect error 42809
COPY seen TO STDOUT;
