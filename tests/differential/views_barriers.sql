-- setup
-- shows: statements: writing through views over security barriers: no condition above one meets what it hides; views that show the whole row
CREATE TABLE people (id int PRIMARY KEY, name text, hidden boolean);
INSERT INTO people SELECT i, 'p' || i, i % 3 = 0 FROM generate_series(1, 7) i;
CREATE FUNCTION look(name text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN
    IF name LIKE '%3%' OR name LIKE '%6%' THEN RAISE 'saw %', name; END IF; RETURN true; END $$;
CREATE VIEW shown WITH (security_barrier) AS SELECT id, name FROM people WHERE NOT hidden;
CREATE VIEW looked AS SELECT * FROM shown WHERE look(name);
CREATE VIEW twice WITH (security_barrier) AS SELECT * FROM looked WHERE look(name || ' again');
CREATE VIEW whole AS SELECT people AS entire, people::text AS written, id, name FROM people;
CREATE VIEW outermost AS SELECT w::text AS seen, id, name FROM whole w WHERE w IS NOT NULL;
-- script
UPDATE people SET name = 'q' || id WHERE id < 3;
UPDATE looked SET name = name WHERE id = 4 RETURNING id;
UPDATE shown SET name = name || '!' WHERE look(name);
UPDATE looked SET name = name || '?' WHERE id < 6;
UPDATE twice SET name = name || '.';
DELETE FROM twice WHERE NOT look(name);
DELETE FROM looked WHERE id = 7 RETURNING *;
UPDATE whole SET name = 'whole' WHERE id = 1 RETURNING *;
UPDATE whole SET name = 'by text' WHERE written LIKE '%,q2%' RETURNING (entire).name, written;
INSERT INTO whole (id, name) VALUES (20, 'new') RETURNING *;
INSERT INTO whole (id, name) VALUES (20, 'newer') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING written;
-- expect error 0A000
INSERT INTO whole (id, written) VALUES (21, 'x');
-- expect error 0A000
UPDATE whole SET entire = NULL;
UPDATE outermost SET name = 'outermost' WHERE id = 20 RETURNING *;
UPDATE outermost SET name = 'hidden' WHERE seen LIKE '%p3%';
DELETE FROM whole WHERE id = 20 RETURNING *;
SELECT * FROM people ORDER BY id;
SELECT * FROM outermost ORDER BY id;
