-- setup
-- shows: tables: policies without a condition: a permissive one gives nothing, a restrictive one takes nothing
-- as writer
CREATE TABLE closed (id int PRIMARY KEY, v text);
CREATE TABLE opened (id int PRIMARY KEY, v text);
CREATE TABLE half (id int PRIMARY KEY, v text);
INSERT INTO closed SELECT n, 'c' || n FROM generate_series(1, 4) n;
INSERT INTO opened SELECT n, 'o' || n FROM generate_series(1, 4) n;
INSERT INTO half SELECT n, 'h' || n FROM generate_series(1, 4) n;
ALTER TABLE closed ENABLE ROW LEVEL SECURITY;
ALTER TABLE opened ENABLE ROW LEVEL SECURITY;
ALTER TABLE half ENABLE ROW LEVEL SECURITY;
CREATE POLICY bare ON closed;
CREATE POLICY bare ON opened AS RESTRICTIVE;
CREATE POLICY agents ON opened USING (v <> 'o4');
CREATE POLICY bare ON half;
CREATE POLICY checks ON half WITH CHECK (true);
CREATE POLICY reads ON half FOR SELECT USING (id <> 2);
-- script
SELECT * FROM closed;
-- expect error 42501
INSERT INTO closed VALUES (10, 'mine');
UPDATE closed SET v = 'x';
DELETE FROM closed;
SELECT * FROM closed;
UPDATE opened SET v = v || '!' WHERE id IN (1, 4) RETURNING *;
INSERT INTO opened VALUES (10, 'mine') RETURNING *;
-- expect error 42501
INSERT INTO opened VALUES (11, 'o4');
DELETE FROM opened WHERE id = 2;
SELECT * FROM opened ORDER BY id;
INSERT INTO half VALUES (10, 'mine');
-- it gives nothing to change
UPDATE half SET v = 'x' WHERE id IN (1, 10);
DELETE FROM half WHERE id > 0;
SELECT * FROM half ORDER BY id;
