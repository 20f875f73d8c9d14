-- setup
-- shows: tables: MERGE into a table that others inherit from: rows of children found, changed and removed, new rows for the parent alone
-- needs: PostgreSQL 15
-- differs: a volatile function in FROM, USING or a subquery of a change of a table that others inherit from | 0A000 | it would be called once for each table; under WITH it is called once
CREATE TABLE parts (id int PRIMARY KEY, name text NOT NULL DEFAULT 'none', n int DEFAULT 5 CHECK (n < 1000), note varchar(10));
CREATE TABLE screws (len numeric NOT NULL DEFAULT 1.5, id int, PRIMARY KEY (id)) INHERITS (parts);
CREATE TABLE wheels (rim int, n int DEFAULT 50, twice int GENERATED ALWAYS AS (n * 2) STORED, PRIMARY KEY (id, rim)) INHERITS (parts);
CREATE TABLE spoked (spokes int, PRIMARY KEY (name)) INHERITS (wheels);
CREATE TABLE scrap (since int) INHERITS (parts);
CREATE TABLE uses (part int REFERENCES parts ON DELETE CASCADE ON UPDATE CASCADE, k int PRIMARY KEY);
CREATE TABLE orders (id int, name text, n int, k serial PRIMARY KEY);
CREATE SEQUENCE fresh;
CREATE VIEW cheap AS SELECT id, name, n FROM parts WHERE n < 40;
INSERT INTO parts VALUES (1, 'plate', 10, 'a'), (2, 'bolt', 20, NULL), (3, 'nut', 30, 'c');
INSERT INTO screws VALUES (1, 'screw', 11, 's', 2.5), (4, 'long screw', 12, NULL, 9);
INSERT INTO wheels VALUES (5, 'wheel', 13, 'w', 1), (5, 'wheel too', 14, 'w', 2);
INSERT INTO spoked (id, name, n, rim, spokes) VALUES (6, 'bike', 15, 7, 36), (2, 'cart', 16, 8, 8);
INSERT INTO scrap VALUES (90, 'rust', 9, 'r', 1990);
INSERT INTO uses VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO orders (id, name, n) VALUES (1, 'of one', 1), (4, 'of four', 4), (6, 'of six', 6), (7, 'of seven', 7), (8, NULL, 8);
-- script
-- the source would be asked once for each table
-- expect refused 0A000
MERGE INTO parts p USING (SELECT nextval('fresh')::int AS id) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET n = p.n + 1;
-- expect refused 0A000
UPDATE parts p SET n = 1 FROM nextval('fresh') s WHERE p.id = s;
-- expect refused 0A000
UPDATE parts p SET n = (SELECT nextval('fresh')) WHERE p.id < 3;
WITH s AS (SELECT nextval('fresh')::int AS id) MERGE INTO parts p USING s ON p.id = s.id WHEN MATCHED THEN UPDATE SET n = p.n + 1;
UPDATE parts p SET note = substr(gen_random_uuid()::text, 1, 0) WHERE p.id < 3 AND random() >= 0;
SELECT tableoid::regclass, * FROM parts ORDER BY id, name;
SELECT nextval('fresh');
MERGE INTO parts p USING orders o ON p.id = o.id WHEN MATCHED THEN UPDATE SET n = p.n + o.n, note = 'm' || o.k WHEN NOT MATCHED AND o.name IS NOT NULL THEN INSERT (id, name, n) VALUES (o.id, o.name, o.n);
SELECT tableoid::regclass, * FROM parts ORDER BY id, name;
SELECT * FROM screws ORDER BY id;
SELECT * FROM wheels ORDER BY id, name;
SELECT * FROM spoked ORDER BY id, name;
-- every row of the source has one now, in whatever table
MERGE INTO parts p USING orders o ON p.id = o.id WHEN MATCHED AND p.id = 6 THEN DELETE WHEN MATCHED THEN UPDATE SET name = coalesce(o.name, p.name) || '!', n = DEFAULT WHEN NOT MATCHED THEN INSERT VALUES (o.id);
SELECT tableoid::regclass, * FROM parts ORDER BY id, name;
SELECT * FROM ONLY parts ORDER BY id;
MERGE INTO parts USING (VALUES (2), (5), (11)) v (id) ON parts.id = v.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, 'new');
MERGE INTO parts USING (VALUES (2), (5), (12)) v (id) ON parts.id = v.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, name) VALUES (id, 'newer');
MERGE INTO parts USING (VALUES (2), (11)) v (id) ON parts.id = v.id WHEN MATCHED THEN DELETE;
SELECT tableoid::regclass, * FROM parts ORDER BY id, name;
SELECT * FROM uses ORDER BY k;
-- the child's own columns are no names here
-- expect error 42703
MERGE INTO parts USING orders o ON parts.id = o.id WHEN MATCHED THEN UPDATE SET len = 1;
-- expect error 42703
MERGE INTO parts USING orders o ON parts.id = o.id AND rim = 1 WHEN MATCHED THEN DELETE;
MERGE INTO parts USING (SELECT 5 AS id, 'x' AS rim) v ON parts.id = v.id WHEN MATCHED AND rim = 'x' THEN UPDATE SET note = rim;
-- keys that change; a second row of the source for one of a child; errors of a child's constraints
MERGE INTO parts p USING (VALUES (1, 100), (4, 400)) v (id, new_id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET id = new_id;
-- expect error 21000
MERGE INTO parts p USING (VALUES (400), (400)) v (id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET n = 3;
-- expect error 23514
-- error class
MERGE INTO parts p USING (VALUES (400)) v (id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET n = 3000;
-- expect error 23502
-- error class
MERGE INTO parts p USING (VALUES (4000)) v (id) ON p.id = v.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (id, NULL);
-- expect error 22001
MERGE INTO parts p USING (VALUES (400)) v (id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET note = 'much too long a note';
-- the two have the same id: a key is the parent's alone
INSERT INTO parts VALUES (400, 'own', 1);
MERGE INTO parts p USING (VALUES (400)) v (id) ON p.id = v.id WHEN MATCHED AND p.tableoid = 'screws'::regclass THEN UPDATE SET note = 'screw' WHEN MATCHED THEN UPDATE SET note = 'part';
SELECT tableoid::regclass, * FROM parts ORDER BY id, name;
-- a source that is the tree itself, conditions with subqueries
MERGE INTO parts p USING (SELECT id, count(*) AS many FROM parts GROUP BY id) q ON p.id = q.id WHEN MATCHED AND q.many > 1 AND EXISTS (SELECT FROM orders o WHERE o.n < p.n) THEN UPDATE SET note = 'many' WHEN MATCHED AND (SELECT max(n) FROM parts) = p.n THEN UPDATE SET note = 'most';
WITH m AS (SELECT 12 AS id UNION ALL SELECT 13) MERGE INTO parts USING m ON parts.id = m.id WHEN MATCHED THEN UPDATE SET note = 'with' WHEN NOT MATCHED THEN INSERT (id, name) VALUES (m.id, 'thirteen');
-- params: 5, 'by parameter'
MERGE INTO parts USING (SELECT $1::int AS id) v ON parts.id = v.id WHEN MATCHED THEN UPDATE SET note = left($2, 3) WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, $2);
SELECT tableoid::regclass, * FROM parts ORDER BY id, name;
-- a child without a key: only a row that is to be changed is refused
MERGE INTO parts p USING (VALUES (90)) v (id) ON p.id = v.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, 'not new');
-- expect refused 0A000
MERGE INTO parts p USING (VALUES (90)) v (id) ON p.id = v.id WHEN MATCHED THEN DELETE;
-- of a child that has children, by its own name
MERGE INTO wheels w USING (VALUES (2, 1), (14, 2)) v (id, rim) ON w.id = v.id WHEN MATCHED THEN UPDATE SET rim = v.rim WHEN NOT MATCHED THEN INSERT (id, name, rim) VALUES (v.id, 'fourteen', v.rim);
MERGE INTO ONLY wheels w USING (VALUES (6), (15)) v (id) ON w.id = v.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, rim) VALUES (v.id, 3);
SELECT tableoid::regclass, * FROM wheels ORDER BY id, name;
TRUNCATE ONLY screws;
MERGE INTO parts USING (VALUES (400), (401)) v (id) ON parts.id = v.id WHEN MATCHED THEN UPDATE SET note = 'left' WHEN NOT MATCHED THEN INSERT (id, note) VALUES (v.id, 'gone');
SELECT tableoid::regclass, * FROM parts ORDER BY id, name;
SELECT * FROM cheap ORDER BY id, name;
SELECT * FROM uses ORDER BY k;
