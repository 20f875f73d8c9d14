-- setup
-- shows: tables: defaults, DEFAULT in VALUES and SET
CREATE SCHEMA other;
CREATE SEQUENCE other.numbers;
CREATE FUNCTION other.next_code() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT 'code-' || nextval('other.numbers') $$;
CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL DEFAULT 'c' || nextval('other.numbers'), n int DEFAULT (1 + 2) * 3, day date DEFAULT date '2024-02-29',
  words text[] DEFAULT ARRAY['x', 'y'], j jsonb NOT NULL DEFAULT '{}', who text DEFAULT lower('WHO'), empty text DEFAULT NULL, "Quoted" varchar(3) DEFAULT 'abc');
INSERT INTO t (id) VALUES (1), (2);
-- script
INSERT INTO t (id) VALUES (3) RETURNING *;
INSERT INTO t (id, n, j) VALUES (4, DEFAULT, DEFAULT), (5, NULL, '[]') RETURNING *;
INSERT INTO t (id, code) SELECT id + 10, code FROM t WHERE id < 3 RETURNING *;
UPDATE t SET n = DEFAULT, words = DEFAULT, day = DEFAULT, code = DEFAULT WHERE id = 5 RETURNING *;
UPDATE t SET (n, who) = (DEFAULT, 'me') WHERE id = 1 RETURNING id, n, who;
-- expect error 23502
UPDATE t SET j = NULL WHERE id = 1;
SELECT * FROM t ORDER BY id;
SELECT last_value FROM other.numbers;
