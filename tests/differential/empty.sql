-- setup
-- shows: statements: empty queries and comments
CREATE TABLE e (id int PRIMARY KEY, v text, n numeric(5,2));
CREATE TABLE f (id int PRIMARY KEY, e_id int REFERENCES e);
-- script
SELECT * FROM e;
SELECT count(*), max(id), sum(n) FROM e;
UPDATE e SET v = 'x';
DELETE FROM e;
DELETE FROM e RETURNING *;
SELECT * FROM e LEFT JOIN f ON f.e_id = e.id;
INSERT INTO e SELECT * FROM e;
SELECT EXISTS (SELECT 1 FROM e), NOT EXISTS (SELECT FROM f);
INSERT INTO e VALUES (1, 'first', 1);
SELECT * FROM e;
INSERT INTO f VALUES (1, 1);
SELECT * FROM e JOIN f ON f.e_id = e.id;
DELETE FROM f;
DELETE FROM e;
SELECT * FROM e;
SELECT count(*) FROM e;
SELECT max(id), min(v), array_agg(v) FROM e;
INSERT INTO e VALUES (1, 'second', 2);
SELECT * FROM e UNION ALL SELECT * FROM e;
SELECT;
SELECT FROM e;
