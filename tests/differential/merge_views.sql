-- setup
-- shows: statements: MERGE into updatable views (PostgreSQL 17), nested, with check options, defaults of their own, RETURNING, over inherited tables
-- needs: PostgreSQL 17
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, age int DEFAULT 20, city varchar(10) DEFAULT 'Ulm', code text GENERATED ALWAYS AS (upper(name)) STORED, secret text DEFAULT 's');
CREATE TABLE kids (school text, PRIMARY KEY (id)) INHERITS (people);
CREATE TABLE news (id int PRIMARY KEY, name text, age int);
CREATE VIEW plain AS SELECT * FROM ONLY people;
CREATE VIEW renamed (person, label, years, shout) AS SELECT p.id, p.name, p.age, p.name || '!' FROM ONLY people p;
ALTER VIEW renamed ALTER COLUMN years SET DEFAULT 33;
CREATE VIEW adults AS SELECT id, name, age, city FROM ONLY people WHERE age >= 18;
CREATE VIEW locals AS SELECT name, id, age FROM adults WHERE city = 'Bonn' OR city IS NULL WITH LOCAL CHECK OPTION;
CREATE VIEW checked AS SELECT id, name, age FROM adults WHERE id < 100 WITH CASCADED CHECK OPTION;
CREATE VIEW everyone AS SELECT id, name, age FROM people;
CREATE VIEW counted AS SELECT age, count(*) AS n FROM people GROUP BY age;
CREATE VIEW ruled AS SELECT * FROM people;
CREATE RULE r AS ON INSERT TO ruled DO INSTEAD NOTHING;
INSERT INTO people (id, name, age, city) SELECT i, 'p' || i, 10 + i * 5, (ARRAY['Bonn', 'Ulm', NULL])[1 + i % 3] FROM generate_series(1, 9) i;
INSERT INTO kids (id, name, age, school) VALUES (2, 'kid', 7, 'first'), (50, 'older', 9, 'second');
INSERT INTO news VALUES (1, 'one', 41), (3, 'three', 43), (20, 'twenty', 44), (50, 'fifty', 45);
-- script
MERGE INTO plain USING news n ON plain.id = n.id WHEN MATCHED THEN UPDATE SET age = n.age WHEN NOT MATCHED THEN INSERT (id, name) VALUES (n.id, n.name);
SELECT * FROM people ORDER BY id, name;
MERGE INTO renamed r USING news n ON r.person = n.id WHEN MATCHED AND shout LIKE 'p%' THEN UPDATE SET label = shout || n.name, years = DEFAULT WHEN MATCHED THEN DELETE RETURNING merge_action(), r.*, n.id;
MERGE INTO renamed r USING (VALUES (60, 'sixty'), (61, 'more')) v (id, name) ON r.person = v.id WHEN NOT MATCHED THEN INSERT (label, person) VALUES (v.name, v.id) RETURNING *;
MERGE INTO renamed r USING (VALUES (60), (61)) v (id) ON r.person = v.id WHEN MATCHED AND v.id = 60 THEN UPDATE SET person = 600 WHEN MATCHED THEN UPDATE SET years = r.years + 1 RETURNING r.person, shout, years, r;
SELECT * FROM people ORDER BY id, name;
MERGE INTO adults a USING (SELECT id, name FROM people) q ON a.id = q.id WHEN MATCHED AND a.age > 50 THEN DELETE WHEN NOT MATCHED BY TARGET AND q.id < 3 THEN DO NOTHING WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING merge_action(), a.id;
MERGE INTO locals l USING (VALUES (3, 'x'), (6, 'y'), (70, 'seventy')) v (id, name) ON l.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name RETURNING *;
-- expect error 44000
MERGE INTO locals l USING (VALUES (70, 'seventy')) v (id, name) ON l.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.name, v.id, 70);
-- expect error 44000
MERGE INTO checked c USING (VALUES (5)) v (id) ON c.id = v.id WHEN MATCHED THEN UPDATE SET age = 3;
-- expect error 44000
MERGE INTO checked c USING (VALUES (130)) v (id) ON c.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'too large', 30);
MERGE INTO checked c USING (VALUES (5), (80)) v (id) ON c.id = v.id WHEN MATCHED THEN UPDATE SET age = c.age + 1 WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'eighty', 30);
MERGE INTO checked c USING (VALUES (5)) v (id) ON c.id = v.id WHEN MATCHED THEN DELETE;
-- rows that the view does not show are not found
-- expect error 23505
MERGE INTO adults a USING (VALUES (2)) v (id) ON a.id = v.id AND a.age > 1000 WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, 'again');
MERGE INTO everyone e USING news n ON e.id = n.id WHEN MATCHED THEN UPDATE SET name = n.name || '*' WHEN NOT MATCHED THEN INSERT VALUES (n.id, n.name, n.age) RETURNING merge_action(), e.*;
MERGE INTO everyone e USING (VALUES (2), (51)) v (id) ON e.id = v.id WHEN MATCHED AND age < 10 THEN UPDATE SET age = age + 1 WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, 'parent') RETURNING *;
SELECT tableoid::regclass, * FROM people ORDER BY id, name;
SELECT * FROM kids ORDER BY id;
WITH m AS (MERGE INTO plain p USING (VALUES (7)) v (id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET age = 77 RETURNING p.id, p.age, p.code) SELECT * FROM m;
-- errors of the server
-- expect error 55000
MERGE INTO counted c USING news n ON c.age = n.age WHEN MATCHED THEN DELETE;
-- expect error 55000
MERGE INTO counted c USING news n ON c.age = n.age WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (1, 1);
-- expect error 0A000
MERGE INTO renamed r USING news n ON r.person = n.id WHEN MATCHED THEN UPDATE SET shout = 'x';
-- expect error 0A000
MERGE INTO renamed r USING news n ON r.person = n.id WHEN NOT MATCHED THEN INSERT (person, shout) VALUES (1, 'x');
-- expect refused 0A000
MERGE INTO ruled r USING news n ON r.id = n.id WHEN MATCHED THEN DELETE;
-- expect error 23502
MERGE INTO renamed r USING (VALUES (99)) v (id) ON r.person = v.id WHEN NOT MATCHED THEN INSERT (person) VALUES (v.id);
-- params: 3, 'by parameter'
MERGE INTO renamed r USING (SELECT $1::int AS id) v ON r.person = v.id WHEN MATCHED THEN UPDATE SET label = $2 WHEN NOT MATCHED THEN INSERT (person, label) VALUES (v.id, $2);
SELECT * FROM people ORDER BY id, name;
MERGE INTO plain p USING (SELECT id AS k, name AS w FROM news) ON p.id = k WHEN MATCHED THEN UPDATE SET name = w || '~' WHEN NOT MATCHED THEN DO NOTHING RETURNING *;
MERGE INTO people p USING (SELECT id AS k FROM news) ON p.id = k WHEN MATCHED THEN UPDATE SET age = 1 RETURNING merge_action(), k, p.id;
