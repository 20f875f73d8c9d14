-- setup
-- shows: sessions: set_config with a name that is computed
CREATE TABLE things (id int PRIMARY KEY, name text);
INSERT INTO things VALUES (1, 'work_mem'), (2, 'my.thing');
CREATE SCHEMA other;
CREATE TABLE other.elsewhere (id int PRIMARY KEY);
-- script
INSERT INTO things VALUES (3, 'search_path');
SELECT set_config(name, '5MB', false) FROM things WHERE id = 1;
SHOW work_mem;
BEGIN;
SELECT pg_catalog.set_config(t.name, 'a', true), current_setting('my.thing') FROM things t WHERE id = 2;
COMMIT;
SELECT current_setting('my.thing');
SELECT set_config(name, 'other', false) FROM things WHERE id = 3;
INSERT INTO elsewhere VALUES (1);
SELECT * FROM elsewhere;
SELECT set_config('search' || '_path', 'public', false);
-- expect error 42704
SELECT set_config('no_such' || '_parameter', '1', false);
BEGIN;
SET search_path = public, other;
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SELECT * FROM elsewhere;
COMMIT;
BEGIN;
SHOW transaction_isolation;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SHOW transaction_isolation;
COMMIT;
-- expect refused 0A000
SELECT set_config('ro' || 'le', 'postgres', false);
-- expect refused 42501
SELECT set_config('pgdraft' || '.session', 'another', false);
SET client_encoding TO 'UNICODE';
SHOW client_encoding;
UPDATE things SET name = 'ü' WHERE id = 1 RETURNING name;
SELECT name, 'ä' FROM things WHERE id = 1;
SET client_encoding TO 'utf-8';
SHOW client_encoding;
SELECT name FROM things WHERE id = 1;
