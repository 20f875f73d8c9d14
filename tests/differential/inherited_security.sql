-- setup
-- shows: tables: trees of inherited tables with row-level security: what is changed, and read by itself
-- differs: an inheritance parent with its children, where one of them has row-level security and one is changed in the draft | 0A000 | read each table after ONLY
CREATE TABLE top (id int PRIMARY KEY, v text);
CREATE TABLE below (PRIMARY KEY (id)) INHERITS (top);
CREATE TABLE secured (PRIMARY KEY (id)) INHERITS (top);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON secured USING (true);
INSERT INTO top VALUES (1, 'a');
INSERT INTO below VALUES (2, 'b');
INSERT INTO secured VALUES (3, 'c');
-- script
SELECT * FROM top ORDER BY id;
UPDATE below SET v = 'changed';
SELECT * FROM below;
SELECT * FROM secured;
SELECT * FROM ONLY top;
-- expect refused 0A000
SELECT * FROM top;
UPDATE secured SET v = 'x';
SELECT * FROM secured;
-- expect refused 0A000
UPDATE top SET v = 'x';
UPDATE ONLY top SET v = 'x';
SELECT * FROM ONLY top;
