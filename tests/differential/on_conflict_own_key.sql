-- setup
-- shows: statements: ON CONFLICT DO UPDATE that sets the conflicting key to what was proposed, as bulk upserts of ORMs do
CREATE TABLE people (id int PRIMARY KEY, name text, pet int UNIQUE);
INSERT INTO people VALUES (1, 'ann', 10), (2, 'bob', 20), (3, 'cid', 30);
CREATE TABLE pets (id int PRIMARY KEY, owner int REFERENCES people ON UPDATE CASCADE);
INSERT INTO pets VALUES (10, 1), (20, 2);
CREATE TABLE prices (sku text, amount numeric, note text, PRIMARY KEY (sku, amount));
INSERT INTO prices VALUES ('a', 1.0, 'old'), ('b', 2.0, 'old');
-- script
INSERT INTO people VALUES (1, 'ann2', 11), (4, 'dee', 40), (2, 'bob2', 21) ON CONFLICT (id) DO UPDATE SET id = excluded.id, name = excluded.name || people.name, pet = excluded.pet RETURNING *;
INSERT INTO people VALUES (1, 'ann3', 12), (5, 'eve', 50) ON CONFLICT ON CONSTRAINT people_pkey DO UPDATE SET id = EXCLUDED.id, name = 'x' RETURNING *;
INSERT INTO people VALUES (3, 'cid2', 30), (4, 'dee2', 41) ON CONFLICT (id) DO UPDATE SET name = excluded.name, id = excluded.id WHERE people.name <> 'dee' RETURNING id, name;
-- expect error 21000
INSERT INTO people VALUES (6, 'a', 60), (6, 'b', 61) ON CONFLICT (id) DO UPDATE SET id = excluded.id;
INSERT INTO prices VALUES ('a', 1.00, 'new'), ('c', 3, 'new') ON CONFLICT (sku, amount) DO UPDATE SET amount = excluded.amount, sku = excluded.sku, note = excluded.note RETURNING *;
-- expect refused 0A000
INSERT INTO people VALUES (1, 'ann4', 11), (7, 'gil', 70) ON CONFLICT (pet) DO UPDATE SET id = excluded.id;
SELECT * FROM people ORDER BY id;
SELECT * FROM pets ORDER BY id;
SELECT * FROM prices ORDER BY sku, amount;
