-- setup
CREATE TABLE lowered (id int PRIMARY KEY, email text);
CREATE UNIQUE INDEX lowered_email ON lowered (lower(email));
CREATE TABLE partial (id int PRIMARY KEY, name text, gone boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX partial_name ON partial (name) WHERE NOT gone;
INSERT INTO lowered VALUES (1, 'Ann@x'), (2, 'bob@x');
INSERT INTO partial VALUES (1, 'a', false), (2, 'a', true), (3, 'b', false);
-- script
SELECT * FROM lowered ORDER BY id;
-- expect error 23505
INSERT INTO lowered VALUES (3, 'ANN@X');
INSERT INTO lowered VALUES (3, 'Cid@x');
-- expect error 23505
INSERT INTO lowered VALUES (4, 'cid@X');
UPDATE lowered SET email = 'free@x' WHERE id = 1;
INSERT INTO lowered VALUES (5, 'ann@x');
-- expect error 23505
INSERT INTO partial VALUES (4, 'a', false);
INSERT INTO partial VALUES (4, 'a', true);
UPDATE partial SET gone = true WHERE id = 3;
INSERT INTO partial VALUES (5, 'b', false);
-- expect error 23505
UPDATE partial SET gone = false WHERE id = 3;
SELECT * FROM lowered ORDER BY id;
SELECT * FROM partial ORDER BY id;
