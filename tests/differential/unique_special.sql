-- setup
-- shows: constraints: partial and expression indexes, NULLS NOT DISTINCT, exclusion constraints, keys with a collation of their own
-- needs: PostgreSQL 15
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE lowered (id int PRIMARY KEY, email text, "Mixed" int);
CREATE UNIQUE INDEX lowered_email ON lowered (lower(email));
CREATE UNIQUE INDEX lowered_mixed ON lowered ("Mixed", (id % 10));
CREATE TABLE partial (id int PRIMARY KEY, name text, gone boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX partial_name ON partial (name) WHERE NOT gone;
CREATE TABLE nulls (id int PRIMARY KEY, a int, b int, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE TABLE booked (id int PRIMARY KEY, room int, during int4range, EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE TABLE apart (id int PRIMARY KEY, during int4range, gone boolean DEFAULT false,
  CONSTRAINT apart_x EXCLUDE USING gist (during WITH &&) WHERE (NOT gone));
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE collated (id int PRIMARY KEY, name text);
CREATE UNIQUE INDEX collated_name ON collated (name COLLATE folded);
INSERT INTO lowered VALUES (1, 'Ann@x', 1), (2, 'bob@x', 2);
INSERT INTO partial VALUES (1, 'a'), (2, 'b');
INSERT INTO partial VALUES (3, 'a', true);
INSERT INTO nulls VALUES (1, NULL, NULL), (2, 1, NULL), (3, 1, 1);
INSERT INTO booked VALUES (1, 1, '[1,5)'), (2, 1, '[5,9)'), (3, 2, '[1,9)'), (4, 1, NULL);
INSERT INTO apart VALUES (1, '[1,5)', false), (2, '[1,5)', true);
INSERT INTO collated VALUES (1, 'Straße'), (2, 'x');
-- script
-- expect error 23505
INSERT INTO lowered VALUES (3, 'ANN@X');
INSERT INTO lowered VALUES (3, 'carl@x', 3);
-- expect error 23505
INSERT INTO lowered VALUES (4, 'CARL@x');
-- expect error 23505
INSERT INTO lowered VALUES (13, 'other@x', 3);
-- expect error 23505
UPDATE lowered SET email = 'BOB@X' WHERE id = 3;
UPDATE lowered SET email = 'BOB@X' WHERE id = 2 RETURNING *;
DELETE FROM lowered WHERE id = 1;
INSERT INTO lowered VALUES (5, 'ANN@X', 5);
SELECT * FROM lowered ORDER BY id;
-- expect error 23505
UPDATE partial SET gone = false WHERE id = 3;
UPDATE partial SET gone = true WHERE id = 1;
UPDATE partial SET gone = false WHERE id = 3;
-- expect error 23505
INSERT INTO partial VALUES (4, 'b');
INSERT INTO partial VALUES (4, 'b', true), (5, 'b', true), (6, 'c', false);
-- expect error 23505
INSERT INTO partial VALUES (7, 'c');
-- expect error 23505
UPDATE partial SET gone = false WHERE id = 5;
SELECT * FROM partial ORDER BY id;
-- expect error 23505
INSERT INTO nulls VALUES (4, NULL, NULL);
-- expect error 23505
INSERT INTO nulls VALUES (4, 1, NULL);
INSERT INTO nulls VALUES (4, NULL, 1), (5, 2, NULL);
-- expect error 23505
INSERT INTO nulls VALUES (6, 2, NULL);
-- expect error 23505
UPDATE nulls SET a = NULL, b = NULL WHERE id = 3;
DELETE FROM nulls WHERE id = 1;
UPDATE nulls SET a = NULL, b = NULL WHERE id = 3;
SELECT * FROM nulls ORDER BY id;
-- expect error 23P01
INSERT INTO booked VALUES (5, 1, '[8,12)');
INSERT INTO booked VALUES (5, 1, '[9,12)'), (6, 3, '[1,2)'), (7, NULL, '[1,9)');
-- expect error 23P01
INSERT INTO booked VALUES (8, 3, '[1,2)');
-- expect error 23P01
UPDATE booked SET room = 1 WHERE id = 3;
UPDATE booked SET during = '[2,5)' WHERE id = 1;
UPDATE booked SET during = '[1,2)' WHERE id = 5;
-- expect error 23P01
UPDATE booked SET during = '[1,3)' WHERE id = 5;
DELETE FROM booked WHERE id = 2;
INSERT INTO booked VALUES (2, 1, '[6,8)');
SELECT * FROM booked ORDER BY id;
-- expect error 23P01
UPDATE apart SET gone = false WHERE id = 2;
-- expect error 23P01
INSERT INTO apart VALUES (3, '[4,6)');
INSERT INTO apart VALUES (3, '[4,6)', true);
UPDATE apart SET gone = true WHERE id = 1;
UPDATE apart SET gone = false WHERE id = 3;
-- expect error 23P01
UPDATE apart SET gone = false WHERE id = 1;
SELECT * FROM apart ORDER BY id;
-- expect error 23505
INSERT INTO collated VALUES (3, 'STRASSE'), (4, 'X');
INSERT INTO collated VALUES (5, 'y');
-- expect error 23505
INSERT INTO collated VALUES (6, 'Y');
SELECT * FROM collated ORDER BY id;
