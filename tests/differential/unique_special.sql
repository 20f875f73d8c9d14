-- setup
CREATE TABLE lowered (id int PRIMARY KEY, email text);
CREATE UNIQUE INDEX lowered_email ON lowered (lower(email));
CREATE TABLE partial (id int PRIMARY KEY, name text, gone boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX partial_name ON partial (name) WHERE NOT gone;
CREATE TABLE later (id int PRIMARY KEY, n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE excluding (id int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&));
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (extra int) INHERITS (parent);
CREATE TABLE divided (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
CREATE TABLE divided_1 PARTITION OF divided FOR VALUES FROM (0) TO (100);
INSERT INTO lowered VALUES (1, 'Ann@x'), (2, 'bob@x');
INSERT INTO divided VALUES (1, 1);
-- script
-- Rules that a draft cannot keep yet: such tables are read, and not written.
SELECT * FROM lowered ORDER BY id;
-- expect refused 0A000
INSERT INTO lowered VALUES (3, 'ANN@X');
-- expect refused 0A000
UPDATE partial SET gone = true WHERE id = 3;
-- expect refused 0A000
UPDATE later SET n = n + 1;
-- expect refused 0A000
INSERT INTO excluding VALUES (1, '[1,2]');
-- expect refused 0A000
INSERT INTO parent VALUES (1);
-- expect refused 0A000
DELETE FROM divided WHERE id = 1;
-- expect refused 0A000
DELETE FROM divided_1 WHERE id = 1;
SELECT * FROM divided;
SELECT * FROM parent;
