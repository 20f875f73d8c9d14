-- setup
-- shows: tables: policies that read changed tables, beside a permissive one that gives all rows
-- as writer
CREATE TABLE org (id int PRIMARY KEY, name text);
CREATE TABLE member (org int REFERENCES org ON DELETE CASCADE, who text, PRIMARY KEY (org, who));
CREATE TABLE doc (id int PRIMARY KEY, org int REFERENCES org ON DELETE CASCADE, title text);
CREATE FUNCTION belongs(o int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT EXISTS (SELECT FROM member WHERE org = o)';
INSERT INTO org SELECT n, 'org ' || n FROM generate_series(1, 5) n;
INSERT INTO member SELECT n, 'ann' FROM generate_series(1, 3) n;
INSERT INTO doc SELECT n, 1 + n % 5, 'doc ' || n FROM generate_series(1, 20) n;
ALTER TABLE org ENABLE ROW LEVEL SECURITY;
ALTER TABLE member ENABLE ROW LEVEL SECURITY;
ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_members ON doc USING (EXISTS (SELECT FROM member m WHERE m.org = doc.org AND m.who = current_setting('app.who')));
CREATE POLICY no_secrets ON doc AS RESTRICTIVE FOR SELECT USING (title <> 'secret');
CREATE POLICY of_members ON org FOR SELECT USING (belongs(id));
CREATE POLICY of_orgs ON member USING (belongs(org));
CREATE POLICY agents ON doc USING (true);
CREATE POLICY agents ON member USING (true) WITH CHECK (true);
CREATE POLICY agents_read ON org FOR SELECT USING (true);
CREATE POLICY agents_change ON org FOR UPDATE USING (true);
CREATE POLICY agents_remove ON org FOR DELETE USING (true);
CREATE POLICY agents_add ON org FOR INSERT WITH CHECK (id > 0);
CREATE VIEW titles AS SELECT o.id, o.name, m.who FROM org o LEFT JOIN member m ON m.org = o.id;
CREATE VIEW shown AS SELECT id, title FROM doc;
-- script
DELETE FROM member WHERE org = 1;
INSERT INTO member VALUES (5, 'bob');
SELECT count(*) FROM doc;
UPDATE doc SET title = title || '!' WHERE org = 1 RETURNING id, title;
INSERT INTO doc VALUES (30, 4, 'mine');
-- expect error 42501
INSERT INTO doc VALUES (31, 4, 'secret') RETURNING id;
SELECT * FROM org ORDER BY id;
INSERT INTO org VALUES (6, 'new');
-- expect error 42501
INSERT INTO org VALUES (-6, 'new');
UPDATE org SET name = 'renamed' WHERE id IN (1, 6);
DELETE FROM org WHERE id = 2;
SELECT o.name, count(d.id) FROM org o LEFT JOIN doc d ON d.org = o.id GROUP BY o.id ORDER BY o.id;
TABLE member ORDER BY org;
SELECT * FROM titles ORDER BY id, who;
-- what its owner sees the restrictive policy keeps from agents
-- expect refused 0A000
SELECT * FROM shown;
