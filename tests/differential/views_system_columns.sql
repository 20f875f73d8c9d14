-- setup
-- shows: statements: writing through views that show system columns
-- shows: constraints: CHECK over tableoid
CREATE TABLE parts (id int PRIMARY KEY, label text DEFAULT 'none');
INSERT INTO parts SELECT i, 'part ' || i FROM generate_series(1, 6) i;
CREATE VIEW placed AS SELECT ctid, id, label FROM parts;
CREATE VIEW known AS SELECT p.id, p.tableoid::regclass AS holder, p.label, p.xmin IS NOT NULL AS seen FROM parts p WHERE p.ctid IS NOT NULL;
CREATE VIEW checked AS SELECT id, holder, label, seen FROM known WHERE seen WITH CHECK OPTION;
CREATE TABLE own (id int PRIMARY KEY, closed boolean, CHECK (NOT (closed AND tableoid = 'own'::regclass)));
INSERT INTO own VALUES (1, false);
-- script
UPDATE placed SET label = 'two' WHERE id = 2;
INSERT INTO placed (id, label) VALUES (7, 'seven');
UPDATE placed SET label = label || '!' WHERE id = 7 RETURNING id, label, ctid IS NOT NULL AS placed;
UPDATE placed SET id = 8 WHERE id = 7 RETURNING id, label, ctid IS NOT NULL AS placed;
UPDATE placed SET label = 'by place' WHERE ctid = (SELECT ctid FROM placed WHERE id = 1);
DELETE FROM placed WHERE ctid IN (SELECT ctid FROM placed WHERE id > 4 ORDER BY id LIMIT 1) RETURNING id;
INSERT INTO known (id, label) VALUES (9, 'nine') RETURNING *;
INSERT INTO known (id, label) VALUES (9, 'nine') ON CONFLICT (id) DO UPDATE SET label = excluded.label || ' again' RETURNING *;
INSERT INTO known (id, label) VALUES (9, 'nine') ON CONFLICT DO NOTHING RETURNING *;
UPDATE known SET label = 'held' WHERE holder = 'parts'::regclass AND id = 9 RETURNING holder;
UPDATE checked SET id = id + 10, label = label || holder WHERE id = 9 RETURNING holder, seen, id;
INSERT INTO checked (id, label) VALUES (20, 'x'), (21, 'y') RETURNING *;
DELETE FROM checked WHERE id = 20 RETURNING *;
SELECT * FROM checked ORDER BY id;
SELECT * FROM parts ORDER BY id;
-- CHECK over tableoid
INSERT INTO own VALUES (2, false), (3, NULL);
-- expect error 23514
INSERT INTO own VALUES (4, true);
-- expect error 23514
UPDATE own SET closed = true WHERE id = 1;
SELECT *, tableoid::regclass FROM own ORDER BY id;
