-- setup
-- differs: which of several failing rows an error names, in a statement of more than 100 rows | may be another one than the first | the rows are checked at once
-- shows: constraints: UNIQUE and PRIMARY KEY
-- differs: DETAIL of 23505 for two rows of one INSERT with one primary key, and its partition | left out | PostgreSQL stops the head's ON CONFLICT before the draft sees the values
-- differs: the row that an error of a statement over several rows names | may be another of them | keys and references are checked when the statement has written all rows
-- differs: `UPDATE t SET id = id + 1` over neighbouring keys | works | PostgreSQL's answer depends on the order of rows in the heap
-- differs: a value of a draft that production takes too, later | both are shown until commit, which then refuses | the draft does not lock production
CREATE TABLE t (id int PRIMARY KEY, email text UNIQUE, a int, b int, c text, CONSTRAINT ab_unique UNIQUE (a, b));
CREATE UNIQUE INDEX t_c_idx ON t (c);
INSERT INTO t VALUES (1, 'a@x', 1, 1, 'c1'), (2, 'b@x', 1, 2, 'c2'), (3, NULL, NULL, 3, NULL), (4, NULL, NULL, 3, NULL);
-- script
-- expect error 23505
INSERT INTO t VALUES (1, 'n@x', 9, 9, 'c9');
-- expect error 23505
INSERT INTO t VALUES (9, 'a@x', 9, 9, 'c9');
-- expect error 23505
INSERT INTO t VALUES (9, 'n@x', 1, 2, 'c9');
-- expect error 23505
INSERT INTO t VALUES (9, 'n@x', 9, 9, 'c2');
INSERT INTO t VALUES (10, 'ten@x', 10, 10, 'c10');
-- expect error 23505
INSERT INTO t VALUES (10, 'm@x', 11, 11, 'c11');
-- expect error 23505
INSERT INTO t VALUES (11, 'ten@x', 11, 11, 'c11');
-- expect error 23505
UPDATE t SET email = 'a@x' WHERE id = 10;
-- expect error 23505
UPDATE t SET email = 'ten@x' WHERE id = 2;
-- expect error 23505
UPDATE t SET b = 1 WHERE id = 2;
-- expect error 23505
UPDATE t SET id = 3 WHERE id = 4;
-- expect error 23505
UPDATE t SET id = 10 WHERE id = 4;
UPDATE t SET email = 'free@x' WHERE id = 1;
INSERT INTO t VALUES (12, 'a@x', 12, 12, 'c12');
-- expect error 23505
INSERT INTO t VALUES (13, 'a@x', 13, 13, 'c13');
DELETE FROM t WHERE id = 2;
INSERT INTO t VALUES (14, 'b@x', 1, 2, 'c2');
INSERT INTO t VALUES (2, 'two@x', 2, 2, 'two');
INSERT INTO t VALUES (15, NULL, NULL, 3, NULL), (16, NULL, 16, NULL, NULL);
-- expect error 23505
INSERT INTO t VALUES (20, 'twin@x', 20, 20, 'c20'), (21, 'twin@x', 21, 21, 'c21');
-- expect error 23505
INSERT INTO t VALUES (20, 'p@x', 20, 20, 'c20'), (20, 'q@x', 21, 21, 'c21');
-- expect error 23505
INSERT INTO t SELECT id + 100, email, a + 700, b, c || '7' FROM t WHERE id = 12;
UPDATE t SET id = 200, email = 'moved@x' WHERE id = 12;
INSERT INTO t VALUES (12, 'a@x', 99, 99, 'c99');
DELETE FROM t WHERE id = 12;
INSERT INTO t VALUES (31, 'a@x', 98, 98, 'c98');
UPDATE t SET email = email WHERE id = 31;
SELECT * FROM t ORDER BY id;
DELETE FROM t;
INSERT INTO t VALUES (1, 'b@x', 1, 2, 'c2'), (2, 'a@x', 1, 1, 'c1');
-- expect error 23505
INSERT INTO t VALUES (3, 'a@x', 5, 5, 'c5');
SELECT * FROM t ORDER BY id;
