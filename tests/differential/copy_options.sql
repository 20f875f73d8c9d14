-- setup
-- shows: statements: COPY options: DELIMITER, NULL, HEADER, QUOTE, ESCAPE, FORCE_QUOTE, FORCE_NULL, FORCE_NOT_NULL, ENCODING, WHERE, column lists, and the syntax without brackets
-- needs: PostgreSQL 15
-- differs: CONTEXT of a key's error in COPY FROM (23505, 23P01) | without the line | keys are checked when all rows have come
CREATE TABLE t (id int PRIMARY KEY, a text, b text DEFAULT 'def', n numeric);
INSERT INTO t VALUES (1, 'x', 'y', 1.50), (2, NULL, '', NULL), (3, 'q"uo,te', E'tab\tand\nline\\', -1);
-- script
UPDATE t SET n = 2.25 WHERE id = 1;
COPY t TO STDOUT;
COPY t TO STDOUT WITH (DELIMITER '|', NULL 'nil');
COPY t TO STDOUT (FORMAT csv, HEADER, QUOTE '''', ESCAPE '\');
COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE (a, b), NULL '-');
COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE *);
COPY t (b, id) TO STDOUT (FORMAT csv, DELIMITER ';', HEADER true);
COPY t TO STDOUT (FORMAT text, ENCODING 'LATIN1');
COPY t TO STDOUT (FORMAT binary);
COPY (SELECT id, a FROM t WHERE n > 0 ORDER BY id) TO STDOUT (FORMAT binary);
COPY (SELECT a AS "A b", b FROM t ORDER BY id) TO STDOUT (FORMAT csv, HEADER);
COPY (VALUES (1, 'x'), (2, NULL)) TO STDOUT;
COPY t TO STDOUT DELIMITER '|' NULL 'nil';
COPY t TO STDOUT WITH CSV HEADER QUOTE AS '"' FORCE QUOTE a;
COPY t TO STDOUT WITH DELIMITER AS ';' NULL AS '';
COPY t FROM STDIN WITH (DELIMITER '|', NULL 'nil');
10|ten|nil|1
11|nil||2.5
\.
COPY t (id, a) FROM STDIN (FORMAT csv, HEADER);
any,thing
20,"with ""quotes"", and
a line"
21,
22,""
\.
COPY t (a, id) FROM STDIN (FORMAT csv, HEADER match);
a,id
m,25
\.
-- expect error 22P04
COPY t (a, id) FROM STDIN (FORMAT csv, HEADER match);
a,other
m,26
\.
COPY t (id, a, b) FROM STDIN (FORMAT csv, NULL 'null', FORCE_NULL (a), FORCE_NOT_NULL (b));
30,"null",null
31,null,"null"
\.
COPY t (id, a) FROM STDIN (FORMAT csv, QUOTE '''', ESCAPE '\', DELIMITER ';');
40;'it\'s; one'
\.
COPY t (id, a) FROM STDIN CSV DELIMITER ':' NULL AS 'N';
41:N
42:n
\.
COPY t FROM STDIN (FORMAT csv) WHERE id % 2 = 0 AND a IS NOT NULL;
50,a,b,1
51,a,b,1
52,,b,1
54,c,d,2
\.
COPY t (id) FROM STDIN WITH (FORMAT text, ENCODING 'UTF8');
60
\.
SELECT * FROM t ORDER BY id;
-- expect error 22P02
COPY t (id, n) FROM STDIN;
70	1
71	not a number
\.
-- expect error 22P04
COPY t (id, a) FROM STDIN;
72
\.
-- expect error 22P04
COPY t (id, a) FROM STDIN;
73	a	b
\.
-- expect error 22P04
COPY t (id, a) FROM STDIN (FORMAT csv);
74,"never closed
\.
-- expect error 23505
COPY t (id) FROM STDIN;
75
75
\.
-- expect error 23502
COPY t (a) FROM STDIN;
no key
\.
-- expect error 42P01
COPY nowhere FROM STDIN;
-- expect error 42703
COPY t (id, missing) FROM STDIN;
-- expect error 42701
COPY t (id, id) FROM STDIN;
-- expect error 0A000
COPY t FROM STDIN (DELIMITER 'ab');
-- expect error 22023
COPY t FROM STDIN (FORMAT xml);
-- expect error 42601
COPY t FROM STDIN (FORMAT csv, FORMAT text);
-- expect error 0A000
COPY t TO STDOUT (FORCE_QUOTE (a));
-- expect error 42601
COPY t TO STDOUT (FORMAT binary, DELIMITER ',');
-- expect error 55000
COPY t FROM STDIN (FREEZE);
SELECT count(*) FROM t;
