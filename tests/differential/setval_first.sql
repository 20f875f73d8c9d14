-- setup
-- shows: statements: setval before anything else of a session; lastval() after setval
-- differs: lastval() after setval of a sequence, where another one gave the same number last | may be what was set | PostgreSQL does not tell which sequence was drawn from last
CREATE SEQUENCE numbers;
CREATE SEQUENCE others;
CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('numbers'), v text);
CREATE TABLE third (id serial PRIMARY KEY, v text);
-- script
SELECT nextval('numbers');
SELECT setval('numbers', 100);
SELECT nextval('numbers');
SELECT currval('numbers'), lastval();
SELECT setval('others', 7), nextval('others');
SELECT last_value, is_called FROM others;
INSERT INTO t (v) VALUES ('first') RETURNING *;
SELECT nextval('numbers');
INSERT INTO third (v) VALUES ('a'), ('b') RETURNING id;
SELECT setval('third_id_seq', 50);
SELECT lastval(), currval('third_id_seq');
SELECT setval('third_id_seq', 60, false);
SELECT lastval(), currval('third_id_seq');
-- expect error 22003
SELECT setval('third_id_seq', 0);
SELECT lastval(), nextval('third_id_seq');
SELECT setval('numbers', 500), lastval();
SELECT lastval();
