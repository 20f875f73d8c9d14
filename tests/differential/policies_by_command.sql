-- setup
-- shows: tables: restrictive policies, policies for one command, policies with subqueries and functions; INSERT … ON CONFLICT, FOR UPDATE, keys and foreign keys under row-level security
-- differs: ON CONFLICT with a row of production that policies hide | 23505 | the draft does not see the row it would have to leave alone; PostgreSQL does nothing, or raises 42501
-- needs: PostgreSQL 15
-- as writer
CREATE TABLE teams (id int PRIMARY KEY, name text);
INSERT INTO teams VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE members (team int REFERENCES teams, person text, PRIMARY KEY (team, person));
INSERT INTO members VALUES (1, 'ann'), (2, 'ann'), (3, 'bob');
CREATE TABLE docs (id int PRIMARY KEY, team int NOT NULL REFERENCES teams ON DELETE CASCADE, owner text, title text, sealed bool DEFAULT false, rank numeric(4,1), "Odd name" varchar(5));
INSERT INTO docs SELECT n, n % 3 + 1, CASE WHEN n % 2 = 0 THEN 'ann' ELSE 'bob' END, 'doc ' || n, n % 5 = 0, n, 'o' || n FROM generate_series(1, 20) n;
CREATE FUNCTION me() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('app.person', true) $$;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY reading ON docs FOR SELECT USING (EXISTS (SELECT FROM members m WHERE m.team = docs.team AND m.person = me()));
CREATE POLICY adding ON docs FOR INSERT WITH CHECK (owner = me() AND team IN (SELECT team FROM members WHERE person = me()));
CREATE POLICY changing ON docs FOR UPDATE USING (owner = me()) WITH CHECK (owner = me() AND rank < 900);
CREATE POLICY removing ON docs FOR DELETE USING (owner = me());
CREATE POLICY "not sealed" ON docs AS RESTRICTIVE FOR UPDATE USING (NOT sealed) WITH CHECK ("Odd name" IS DISTINCT FROM 'zzz');
CREATE POLICY "and titled" ON docs AS RESTRICTIVE FOR INSERT WITH CHECK (title <> '');
CREATE TABLE lines (doc int REFERENCES docs ON DELETE CASCADE ON UPDATE CASCADE, n int, v text, PRIMARY KEY (doc, n));
INSERT INTO lines SELECT d, n, 'l' FROM generate_series(1, 20) d, generate_series(1, 2) n;
ALTER TABLE lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY first_only ON lines USING (n = 1);
CREATE TABLE closed (id int PRIMARY KEY);
INSERT INTO closed VALUES (1);
ALTER TABLE closed ENABLE ROW LEVEL SECURITY;
CREATE TABLE keyless (v int);
ALTER TABLE keyless ENABLE ROW LEVEL SECURITY;
CREATE POLICY positive ON keyless USING (v > 0);
CREATE FUNCTION in_team(n int) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM members WHERE team = n AND person = me());
END $$;
CREATE TABLE plans (id int PRIMARY KEY, team int, v text);
INSERT INTO plans SELECT n, n % 3 + 1, 'plan ' || n FROM generate_series(1, 6) n;
ALTER TABLE plans ENABLE ROW LEVEL SECURITY;
ALTER TABLE plans FORCE ROW LEVEL SECURITY;
CREATE POLICY of_team ON plans USING (in_team(team));
CREATE VIEW owners_view AS SELECT * FROM docs;
CREATE VIEW callers_view WITH (security_invoker = true) AS SELECT id, team, owner, title, rank FROM docs WHERE rank < 15;
-- script
SET app.person = 'ann';
SELECT id, team, owner FROM docs ORDER BY id;
UPDATE docs SET title = upper(title) WHERE id < 13 RETURNING id, title;
SELECT id, team, owner, title, sealed FROM docs ORDER BY id;
UPDATE docs SET title = 'sealed' WHERE id = 10;
UPDATE docs SET title = 'bob''s' WHERE id = 1;
-- expect error 42501
UPDATE docs SET owner = 'bob' WHERE id = 4;
-- expect error 42501
UPDATE docs SET rank = '900' WHERE id = 4;
-- expect error 42501
UPDATE docs SET "Odd name" = 'zzz' WHERE id = 4;
-- expect error 42501
UPDATE docs SET team = 3 WHERE id = 4;
UPDATE docs SET team = 2, "Odd name" = 'odd' WHERE id = 6 RETURNING *;
-- expect error 42501
INSERT INTO docs (id, team, owner, title) VALUES (30, 1, 'bob', 'not mine');
-- expect error 42501
INSERT INTO docs (id, team, owner, title) VALUES (30, 3, 'ann', 'not my team');
-- expect error 42501
INSERT INTO docs (id, team, owner, title) VALUES (30, 1, 'ann', '');
-- expect error 23502
INSERT INTO docs (id, team, owner, title) VALUES (NULL, 1, 'ann', 't');
-- expect error 22001
INSERT INTO docs (id, team, owner, title, "Odd name") VALUES (31, 1, 'ann', 't', 'too long');
INSERT INTO docs (id, team, owner, title) VALUES (30, 1, 'ann', 'mine') RETURNING *;
DELETE FROM docs WHERE id IN (1, 2, 3) RETURNING id;
DELETE FROM docs WHERE id = 4;
SELECT id, title FROM docs ORDER BY id;
-- the lines that nobody sees go too
SELECT * FROM lines ORDER BY doc, n;
SELECT count(*) FROM lines;
UPDATE docs SET id = 600 WHERE id = 6;
SELECT * FROM lines WHERE doc = 600;
-- expect error 42501
INSERT INTO lines VALUES (8, 2, 'hidden');
-- expect error 23505
INSERT INTO lines VALUES (8, 1, 'seen');
-- expect error 42501
INSERT INTO lines VALUES (8, 3, 'not first');
-- expect error 23503
INSERT INTO lines VALUES (4000, 1, 'no doc');
-- expect error 23503
DELETE FROM teams WHERE id = 1;
INSERT INTO docs (id, team, owner, title, rank) VALUES (40, 1, 'ann', 'up', 1), (41, 2, 'ann', 'up too', 1) ON CONFLICT (id) DO UPDATE SET title = excluded.title;
INSERT INTO docs (id, team, owner, title, rank) VALUES (40, 1, 'ann', 'again', 1), (42, 2, 'ann', 'new', 1) ON CONFLICT (id) DO UPDATE SET title = excluded.title RETURNING id, title;
-- expect error 42501
INSERT INTO docs (id, team, owner, title) VALUES (40, 1, 'ann', 'again') ON CONFLICT (id) DO UPDATE SET owner = 'bob';
INSERT INTO docs (id, team, owner, title) VALUES (10, 1, 'ann', 'again') ON CONFLICT (id) DO NOTHING;
-- expect error 42501
INSERT INTO docs (id, team, owner, title) VALUES (8, 1, 'bob', 'again') ON CONFLICT (id) DO NOTHING;
-- expect error 42501
INSERT INTO docs (id, team, owner, title) VALUES (7, 2, 'ann', 'bob''s') ON CONFLICT (id) DO UPDATE SET title = excluded.title;
SELECT * FROM docs ORDER BY id;
SELECT * FROM closed;
DELETE FROM closed;
UPDATE closed SET id = 5 WHERE id > 0;
-- expect error 42501
INSERT INTO closed VALUES (2);
INSERT INTO keyless VALUES (1), (2) RETURNING v;
-- expect error 42501
INSERT INTO keyless VALUES (0);
SELECT * FROM keyless ORDER BY v;
SELECT id, title FROM callers_view ORDER BY id;
UPDATE callers_view SET title = 'through' WHERE id = 8 RETURNING id, title;
-- expect error 42501
INSERT INTO callers_view VALUES (60, 1, 'bob', 'through', 1);
INSERT INTO callers_view VALUES (60, 1, 'ann', 'through', 1);
SELECT d.id, count(l.n) FROM docs d LEFT JOIN lines l ON l.doc = d.id GROUP BY d.id ORDER BY 1;
SET app.person = 'bob';
SELECT * FROM docs ORDER BY id;
UPDATE docs SET title = 'of bob' WHERE owner = 'bob' RETURNING id;
-- expect refused 0A000
UPDATE docs SET title = 'x';
-- expect refused 0A000
SELECT * FROM docs WHERE id = 9 FOR UPDATE;
SELECT v FROM lines WHERE doc = 9 FOR UPDATE;
-- expect refused 0A000
SELECT * FROM owners_view;
-- expect refused 0A000
UPDATE owners_view SET title = 'x' WHERE id = 8;
-- expect error 42501
MERGE INTO docs USING teams t ON docs.team = t.id WHEN MATCHED THEN DELETE;
UPDATE plans SET v = 'changed' WHERE id < 5 RETURNING *;
INSERT INTO plans VALUES (7, 3, 'new') RETURNING *;
-- expect error 42501
INSERT INTO plans VALUES (8, 1, 'not bob''s');
SELECT * FROM plans ORDER BY id;
INSERT INTO teams VALUES (4, 'four');
INSERT INTO members VALUES (4, 'cid');
-- expect refused 0A000
SELECT * FROM docs;
-- expect refused 0A000
SELECT * FROM plans;
