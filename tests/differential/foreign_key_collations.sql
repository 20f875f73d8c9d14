-- setup
-- shows: constraints: FOREIGN KEY between columns of different collations
CREATE TABLE up (k text COLLATE "C" PRIMARY KEY, v int);
CREATE TABLE down (id int PRIMARY KEY, k text COLLATE "POSIX" REFERENCES up ON UPDATE CASCADE ON DELETE SET NULL);
CREATE TABLE plain (id int PRIMARY KEY, k text REFERENCES up);
CREATE TABLE whole (k text PRIMARY KEY);
CREATE TABLE part (id int PRIMARY KEY, k text COLLATE "C" REFERENCES whole DEFERRABLE INITIALLY DEFERRED);
INSERT INTO up VALUES ('a', 1), ('b', 2), ('c', 3);
INSERT INTO down VALUES (1, 'a'), (2, 'b');
INSERT INTO plain VALUES (1, 'c');
INSERT INTO whole VALUES ('x');
-- script
INSERT INTO down VALUES (3, 'c');
-- expect error 23503
INSERT INTO down VALUES (4, 'z');
-- expect error 23503
INSERT INTO plain VALUES (2, 'z');
UPDATE up SET k = 'aa' WHERE k = 'a';
DELETE FROM up WHERE k = 'b';
-- expect error 23503
DELETE FROM up WHERE k = 'c';
INSERT INTO part VALUES (1, 'x');
-- expect error 23503
INSERT INTO part VALUES (2, 'y');
-- expect error 23503
DELETE FROM whole;
SELECT * FROM up ORDER BY k COLLATE "C";
SELECT * FROM down ORDER BY id;
