-- shows: statements: RETURNING of rows of FROM and USING items as values and arguments of functions
-- setup
-- needs: PostgreSQL 15
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, n int DEFAULT 7);
CREATE TABLE child (id int PRIMARY KEY, item_id int, note text);
CREATE FUNCTION label(i item) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT i.id || ''-'' || i.name';
CREATE FUNCTION noted(c child) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT c.id || ''-'' || c.note';
CREATE FUNCTION reads(c child) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM item); END';
CREATE TABLE other (id int PRIMARY KEY, item int);
CREATE VIEW labels AS SELECT id, name FROM item;
INSERT INTO item VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
INSERT INTO child VALUES (1, 1, 'one'), (2, 2, 'two'), (3, NULL, 'none');
-- script
UPDATE item i SET n = 8 FROM child c WHERE c.item_id = i.id RETURNING noted(c), c.noted, c;
UPDATE item i SET n = i.n + 1 FROM item k WHERE k.id = i.id RETURNING label(k), k;
UPDATE item i SET n = i.n + 1 FROM item k WHERE k.id = i.id RETURNING label(i), i.label, i, k.label;
UPDATE item i SET n = 9 FROM child c WHERE c.item_id = i.id RETURNING label(i), i.label, c.*, noted(c), c.noted, to_jsonb(c), (c).note;
DELETE FROM item USING child c WHERE c.item_id = item.id AND item.id = 2 RETURNING label(item), item.label, c, (c).note, noted(c);
UPDATE item i SET n = 10 FROM child c JOIN child d USING (id) WHERE c.item_id = i.id RETURNING noted(d), d.noted, d;
UPDATE item i SET n = 10 FROM (SELECT * FROM child) c WHERE c.item_id = i.id RETURNING c;
INSERT INTO item (id, name) VALUES (4, 'd') RETURNING label(item), item.label;
INSERT INTO item AS t (id, name) VALUES (4, 'e') ON CONFLICT (id) DO UPDATE SET name = t.label || excluded.name RETURNING t.label, t;
UPDATE child SET note = note || '!' RETURNING noted(child), child.noted;
UPDATE child SET note = child.noted WHERE child.noted LIKE '1%' RETURNING child.noted, note;
UPDATE child SET note = (SELECT child.noted FROM (SELECT 'x' AS noted) child) WHERE id = 1 RETURNING note, (SELECT child.noted FROM (SELECT 'x' AS noted) child);
UPDATE child SET note = 'z' WHERE id = 1 RETURNING note, (SELECT child.noted), (SELECT i.name || child.noted FROM item i WHERE i.id = child.id);
WITH c AS (SELECT 'y' AS noted) UPDATE child SET note = c.noted FROM c WHERE id = 1 RETURNING c.noted, child.noted;
UPDATE item i SET n = 11 FROM child c LEFT JOIN item k ON k.id = c.id + 2 WHERE c.item_id = i.id RETURNING k, label(k), k.label, to_jsonb(k.*), k.* IS NULL;
UPDATE item i SET n = 11 FROM labels l WHERE l.id = i.id RETURNING l, to_jsonb(l), to_jsonb(l.*);
DELETE FROM child c USING item i WHERE i.id = c.item_id RETURNING c.noted, i.label, label(i), noted(c.*), label(i.*);
-- expect refused 0A000
UPDATE child SET note = 'x' RETURNING child.reads;
-- expect refused 0A000
UPDATE item i SET n = 1 FROM child c WHERE c.id = i.id RETURNING c.reads;
-- expect error 42703
UPDATE child SET note = 'x' RETURNING child.nosuch;
MERGE INTO item t USING child c ON c.id = t.id WHEN MATCHED AND c.noted <> t.label THEN UPDATE SET name = t.label || c.noted;
INSERT INTO item VALUES (1, 'a', 1) ON CONFLICT DO NOTHING;
INSERT INTO item VALUES (2, 'b', 2) ON CONFLICT DO NOTHING;
INSERT INTO child VALUES (71, 1, 'r'), (72, 2, 's');
INSERT INTO other SELECT g, g * 10 FROM generate_series(1, 3) g;
UPDATE item SET n = 20 FROM other o WHERE o.id = item.id RETURNING item, item.n, to_jsonb(item), o;
UPDATE child item_id SET note = 'n' FROM item i WHERE i.id = item_id.item_id RETURNING item_id, i;
UPDATE item SET n = item FROM other o WHERE o.id = item.id RETURNING n;
UPDATE item x SET n = (SELECT max(item) FROM other WHERE other.id = x.id) WHERE id = 1 RETURNING n, x;
UPDATE item SET n = (SELECT max(item) FROM other WHERE other.id = item.id) WHERE id = 1 RETURNING n, item;
UPDATE item SET n = 30 FROM (SELECT id FROM child) c WHERE c.id = item.id + 70 RETURNING item, to_jsonb(item), item.n;
-- expect refused 0A000
UPDATE item SET n = 30 FROM (SELECT id, note AS item FROM child) c WHERE c.id = item.id + 70 RETURNING item;
-- expect refused 0A000
UPDATE item SET n = 30 FROM (SELECT * FROM other) c WHERE c.id = item.id RETURNING to_jsonb(item);
UPDATE item i SET n = 30 FROM (SELECT * FROM other) c WHERE c.id = i.id RETURNING to_jsonb(i), item;
INSERT INTO other AS child SELECT child.id + 100, length(child.note) FROM child RETURNING child.item, child.id, child;
INSERT INTO other AS child (id, item) SELECT child.id + 100, length(child.note) FROM child ON CONFLICT (id) DO UPDATE SET item = child.item + excluded.item RETURNING child.item;
WITH d AS (SELECT 1 AS item) UPDATE item SET n = 31 FROM d WHERE item.id = 3 RETURNING item;
-- expect refused 0A000
WITH d AS (SELECT * FROM other) UPDATE item SET n = 31 WHERE id IN (SELECT item FROM d) RETURNING id;
-- expect refused 0A000
UPDATE item SET n = 31 WHERE EXISTS (SELECT FROM other WHERE EXISTS (SELECT FROM child c WHERE item = c.id)) RETURNING id;
WITH d AS (SELECT 1 AS item) UPDATE item i SET n = 31 FROM d WHERE i.id = 3 RETURNING item, i;
WITH d AS (SELECT * FROM other) UPDATE item i SET n = 31 WHERE id IN (SELECT item FROM d) RETURNING id;
WITH d AS (SELECT id FROM child) UPDATE item SET n = 31 FROM d WHERE d.id = item.id RETURNING item, (SELECT max(x.id) FROM d x);
WITH d AS (SELECT id, id AS a FROM child) UPDATE item SET n = 32 FROM d AS d (id, item) WHERE d.id = item.id RETURNING item;
WITH d (item) AS (VALUES (3)) UPDATE item SET n = 33 WHERE id IN (SELECT item FROM d) RETURNING id;
WITH d AS (DELETE FROM other WHERE id = 1 RETURNING item) UPDATE item SET n = 34 WHERE id IN (SELECT item FROM d) RETURNING n;
UPDATE item SET n = 31 WHERE EXISTS (SELECT FROM child c WHERE EXISTS (SELECT FROM child d WHERE item IS NOT NULL AND c.id = d.id)) RETURNING id;
-- the CTE of its scope
WITH d AS (SELECT 1 AS item), e AS (WITH d AS (SELECT 2 AS x) SELECT x FROM d) UPDATE item SET n = 35 FROM d, e WHERE item.id = 3 RETURNING item, e.x;
-- items of a subquery that are called like one of the change
UPDATE item SET n = 39 FROM child o JOIN other x ON x.id + 70 = o.id WHERE x.id = item.id RETURNING (SELECT max(o.item) FROM other o), o.note;
UPDATE item SET n = 39 FROM child o WHERE o.id = item.id + 70 RETURNING (SELECT q::text FROM (SELECT o.* FROM other o ORDER BY o.id LIMIT 1) q), o.note;
UPDATE item SET n = 39 FROM child o WHERE o.id = item.id + 70 RETURNING (SELECT count(*) FROM (SELECT z.* FROM other z) q), (SELECT z.item FROM other z WHERE z.id + 70 = o.id);
-- expect refused 0A000
UPDATE item SET n = 39 FROM child o WHERE o.id = item.id + 70 RETURNING (SELECT o.z FROM (SELECT 7 AS z) o);
-- stars of joined items
UPDATE item SET n = 40 FROM other o JOIN child c ON c.id = o.id + 70 WHERE o.id = item.id RETURNING c.*, item.n;
UPDATE item SET n = 41 FROM other o LEFT JOIN (child c JOIN LATERAL (SELECT c.note AS k, 1 AS one) q ON true) ON c.id = o.id + 70 WHERE o.id = item.id RETURNING o.*, q.*, c.*;
WITH d AS (SELECT id, note FROM child) UPDATE item SET n = 42 FROM other o CROSS JOIN d WHERE o.id = item.id AND d.id = 71 RETURNING d.*, (o.*)::text, o.item;
UPDATE item SET n = 43 FROM (other o JOIN child c ON c.id = o.id + 70) j (a, b) WHERE j.a = item.id RETURNING j.*;
UPDATE item SET n = 44 FROM other o JOIN unnest(ARRAY[1, 2], ARRAY['u', 'v']) AS u (id, w) USING (id) WHERE o.id = item.id RETURNING u.*, o.*, u.w;
DELETE FROM item USING other o LEFT JOIN child c ON c.id = o.id + 70 WHERE o.id = item.id AND o.id = 3 RETURNING c.*, o.*, item.*;
DELETE FROM item USING other o WHERE o.id = item.id RETURNING item, item.name;
INSERT INTO item SELECT g, 'g' || g, g FROM generate_series(201, 204) g;
WITH d AS (DELETE FROM item i USING other o WHERE o.id + 200 = i.id AND o.id = 1 RETURNING i, i.label, label(i), o) SELECT *, (i).name, (o).item FROM d;
WITH u AS (UPDATE item SET n = 5 WHERE id = 202 RETURNING item, (item) AS again), v AS (UPDATE child SET note = (u.item).name FROM u WHERE child.id = 3 RETURNING child, u, (u.item).n) SELECT *, (child).note FROM v;
WITH i AS (INSERT INTO item VALUES (210, 'ten', 1) RETURNING item, item.label AS g, label(item)) SELECT * FROM i;
