-- setup
-- shows: constraints: drafts in which a unique value is used again, and children go from one parent to another
CREATE TABLE again (id int PRIMARY KEY, u int UNIQUE);
INSERT INTO again SELECT n, n FROM generate_series(1, 5) n;
CREATE TABLE up (id int PRIMARY KEY, v text);
INSERT INTO up SELECT n, 'v' FROM generate_series(1, 5) n;
CREATE TABLE down (id int PRIMARY KEY, up int REFERENCES up ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO down SELECT n, n FROM generate_series(1, 5) n;
CREATE TABLE nul (id int PRIMARY KEY, u int UNIQUE, up int REFERENCES up ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO nul SELECT n, n, n FROM generate_series(1, 5) n;
CREATE TABLE held (id int PRIMARY KEY, up int NOT NULL REFERENCES up ON DELETE RESTRICT);
INSERT INTO held VALUES (4, 4);
CREATE TABLE code (id int PRIMARY KEY, u int NOT NULL UNIQUE);
INSERT INTO code SELECT n, n FROM generate_series(1, 6) n;
CREATE TABLE of_code (id int PRIMARY KEY, c int REFERENCES code ON DELETE CASCADE, n int REFERENCES code ON DELETE SET NULL, r int REFERENCES code ON DELETE RESTRICT);
INSERT INTO of_code VALUES (1, 1, NULL, NULL), (2, NULL, 2, NULL), (3, NULL, NULL, 3);
CREATE TABLE of_unique (id int PRIMARY KEY, u int REFERENCES code (u) ON DELETE SET NULL, v text);
INSERT INTO of_unique VALUES (4, 4, 'a'), (5, 5, 'b');
-- script
BEGIN;
DELETE FROM again WHERE id = 3;
INSERT INTO again VALUES (30, 3);
UPDATE up SET id = 101 WHERE id = 1;
INSERT INTO up VALUES (102, 'new');
UPDATE down SET up = 102 WHERE id = 2;
UPDATE nul SET up = 102 WHERE id = 2;
UPDATE held SET up = 102 WHERE id = 4;
DELETE FROM nul WHERE id = 5;
INSERT INTO nul VALUES (50, 5, 102);
DELETE FROM up WHERE id IN (2, 3, 4);
-- the values of code are used again while children of the old rows go to the new ones
UPDATE code SET u = 100 + u WHERE id <= 3;
INSERT INTO code VALUES (11, 1), (12, 2), (13, 3);
UPDATE of_code SET c = c + 10, n = n + 10, r = r + 10;
DELETE FROM code WHERE id <= 3;
DELETE FROM code WHERE id = 4;
INSERT INTO code VALUES (14, 4);
UPDATE of_unique SET u = 4 WHERE id = 4;
COMMIT;
SELECT * FROM again ORDER BY id;
SELECT * FROM up ORDER BY id;
SELECT * FROM down ORDER BY id;
SELECT * FROM nul ORDER BY id;
SELECT * FROM code ORDER BY id;
SELECT * FROM of_code ORDER BY id;
SELECT * FROM of_unique ORDER BY id;
