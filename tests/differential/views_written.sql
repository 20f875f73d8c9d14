-- setup
-- shows: statements: writing through updatable views, nested, WITH CHECK OPTION, security_barrier
-- differs: views with rules or INSTEAD OF triggers | 0A000 | change the tables behind the view
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, age int DEFAULT 20, city varchar(10), code text GENERATED ALWAYS AS (upper(name)) STORED, secret text DEFAULT 's');
CREATE TABLE visits (id int PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE, place text);
CREATE VIEW plain AS SELECT * FROM people;
CREATE VIEW renamed (person, label, years, shout) AS SELECT p.id, p.name, p.age, p.name || '!' FROM people p;
CREATE VIEW adults AS SELECT id, name, age, city FROM people WHERE age >= 18;
CREATE VIEW locals AS SELECT id, name, age FROM adults WHERE city = 'Bonn' OR city IS NULL WITH LOCAL CHECK OPTION;
CREATE VIEW checked AS SELECT id, name, age FROM adults WHERE id < 100 WITH CASCADED CHECK OPTION;
CREATE VIEW visited AS SELECT id, name FROM people WHERE EXISTS (SELECT FROM visits v WHERE v.person = people.id);
CREATE VIEW fenced WITH (security_barrier) AS SELECT id, name, age FROM people WHERE age < 60;
CREATE VIEW totals AS SELECT city, count(*) AS n FROM people GROUP BY city;
CREATE VIEW several AS SELECT p.id, v.place FROM people p JOIN visits v ON v.person = p.id;
CREATE VIEW firsts AS SELECT DISTINCT name FROM people;
CREATE VIEW ruled AS SELECT * FROM people;
CREATE VIEW placed AS SELECT p.id, p.name, p.ctid AS place, p AS whole, p.age * 2 AS twice FROM people p;
CREATE VIEW outer_placed AS SELECT place, twice, name || '?' AS asked, id, name FROM placed;
CREATE RULE r AS ON INSERT TO ruled DO INSTEAD INSERT INTO visits VALUES (1, 1, 'x');
CREATE TABLE with_rule (id int PRIMARY KEY);
CREATE RULE r AS ON INSERT TO with_rule DO INSTEAD NOTHING;
INSERT INTO people (id, name, age, city) SELECT i, 'p' || i, 10 + i * 5, (ARRAY['Bonn', 'Ulm', NULL])[1 + i % 3] FROM generate_series(1, 12) i;
INSERT INTO visits SELECT i, 1 + i % 6, 'place ' || i FROM generate_series(1, 8) i;
-- script
INSERT INTO plain (id, name) VALUES (20, 'twenty') RETURNING *;
INSERT INTO plain VALUES (21, 'twenty one', 30, 'Ulm');
UPDATE plain SET age = age + 1, city = DEFAULT WHERE id = 1 RETURNING id, age, code, plain.city;
DELETE FROM plain WHERE id = 2 RETURNING *;
UPDATE renamed SET label = shout, years = years * 2 WHERE person IN (3, 4) RETURNING *;
INSERT INTO renamed VALUES (22, 'via renamed');
INSERT INTO renamed (label, person) SELECT 'sub ' || n, n FROM generate_series(23, 24) n RETURNING person, shout, years;
UPDATE renamed r SET person = r.person + 100 WHERE r.person = 24 RETURNING r.*, r.shout AS loud;
DELETE FROM renamed WHERE shout LIKE 'via%' RETURNING shout;
UPDATE adults SET age = 5 WHERE id = 5 RETURNING *;
UPDATE adults SET name = 'nobody' WHERE id = 5;
UPDATE adults a SET city = v.place FROM visits v WHERE v.person = a.id AND v.id = 6 RETURNING a.*, v.id;
DELETE FROM adults USING visits v WHERE v.person = adults.id AND v.id = 3 RETURNING adults.id, v.place;
SELECT * FROM people ORDER BY id;
SELECT * FROM visits ORDER BY id;
-- check options
INSERT INTO locals VALUES (30, 'local', 40);
-- expect error 44000
INSERT INTO checked VALUES (130, 'too large an id', 40);
-- expect error 44000
INSERT INTO checked VALUES (31, 'too young', 4);
-- expect error 44000
UPDATE checked SET age = 3 WHERE id = 6;
INSERT INTO checked VALUES (31, 'fine', 44) RETURNING *;
UPDATE checked SET age = age + 1 WHERE id IN (6, 31) RETURNING id, age;
UPDATE checked SET age = age + 1 WHERE id IN (6, 31);
UPDATE locals SET age = 1 WHERE id = 30;
DELETE FROM checked WHERE id = 31;
-- expect error 44000
INSERT INTO checked (id, name) VALUES (900, repeat('long ', 20));
SELECT * FROM people ORDER BY id;
-- conditions with subqueries, barriers
UPDATE visited SET name = 'seen ' || id;
DELETE FROM visited WHERE id = 1 RETURNING *;
UPDATE fenced SET age = age + 1 WHERE 10 / (70 - age) >= 0 RETURNING id;
SELECT * FROM fenced WHERE age > 30 ORDER BY id;
SELECT * FROM people ORDER BY id;
-- DEFAULT in an UPDATE is the view's own, or NULL
UPDATE plain SET city = DEFAULT, age = DEFAULT WHERE id = 6;
UPDATE renamed SET years = DEFAULT WHERE person = 7;
SELECT * FROM people ORDER BY id;
-- parameters
-- params: 40, 'forty', 41
INSERT INTO renamed (person, label, years) VALUES ($1, $2, $3) RETURNING *;
-- params: 42, 40
UPDATE renamed SET years = $1 WHERE person = $2 RETURNING years, $1::int + 1;
-- params: 40
DELETE FROM renamed WHERE person = $1;
-- under WITH
WITH a AS (INSERT INTO renamed (person, label) VALUES (50, 'fifty') RETURNING *), b AS (UPDATE plain SET age = 1 WHERE id = 7 RETURNING *) SELECT a.shout, b.code FROM a, b;
-- errors of the server
-- expect error 0A000
UPDATE renamed SET shout = 'x';
-- expect error 0A000
INSERT INTO renamed (person, shout) VALUES (1, 'x');
-- which column, of which view, and why
-- expect error 0A000
UPDATE placed SET place = NULL;
-- expect error 0A000
INSERT INTO placed (id, twice, place) VALUES (1, 2, NULL);
-- expect error 0A000
INSERT INTO placed (whole) VALUES (NULL);
-- expect error 0A000
INSERT INTO outer_placed VALUES (NULL, 1, 'x', 1);
-- expect error 0A000
INSERT INTO outer_placed (twice, place) VALUES (1, NULL);
-- expect error 0A000
UPDATE outer_placed SET name = 'x', (twice, asked) = (1, 'x');
-- expect error 0A000
INSERT INTO placed (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET twice = 1;
-- expect error 42703
UPDATE placed SET twice = 1, nothing = 2;
-- expect error 55000
UPDATE firsts SET name = 'x';
-- expect error 55000
DELETE FROM totals;
-- expect error 55000
INSERT INTO several VALUES (1, 'x');
-- expect error 23505
INSERT INTO plain (id, name) VALUES (7, 'twice');
-- expect error 23502
INSERT INTO renamed (person) VALUES (60);
-- expect error 22001
UPDATE plain SET city = 'much too long' WHERE id = 7;
-- expect error 42703
UPDATE plain SET nothing = 1;
-- expect refused 0A000
INSERT INTO ruled (id, name) VALUES (99, 'x');
-- expect refused 0A000
INSERT INTO with_rule VALUES (1);
INSERT INTO plain (id, name) VALUES (7, 'x') ON CONFLICT DO NOTHING;
SELECT * FROM people ORDER BY id;
SELECT * FROM adults ORDER BY id;
