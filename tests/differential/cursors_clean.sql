-- setup
-- shows: protocol: table and column number of what FETCH gives from a cursor over an unchanged table
CREATE TABLE clean (id int PRIMARY KEY, v text);
INSERT INTO clean SELECT n, 'c' || n FROM generate_series(1, 6) n;
-- script
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, v, id + 1 AS next FROM clean ORDER BY id;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ABSOLUTE 3 FROM c;
COMMIT;
DECLARE h CURSOR WITH HOLD FOR SELECT v AS renamed, * FROM clean ORDER BY id;
FETCH 2 FROM h;
CLOSE h;
