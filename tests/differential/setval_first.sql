-- setup
-- shows: statements: setval before anything else of a session
CREATE SEQUENCE numbers;
CREATE SEQUENCE others;
CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('numbers'), v text);
-- script
SELECT nextval('numbers');
SELECT setval('numbers', 100);
SELECT nextval('numbers');
SELECT currval('numbers'), lastval();
SELECT setval('others', 7), nextval('others');
SELECT last_value, is_called FROM others;
INSERT INTO t (v) VALUES ('first') RETURNING *;
SELECT nextval('numbers');
