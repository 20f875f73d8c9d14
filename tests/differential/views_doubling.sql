-- setup
-- shows: refused: views that each read the one before twice, once they are more than 512 kB of text
-- needs: PostgreSQL 14
CREATE TABLE leaf (id int PRIMARY KEY, v text);
INSERT INTO leaf VALUES (1, 'a'), (2, 'b');
CREATE VIEW doubled_0 AS SELECT * FROM leaf;
DO $$ BEGIN FOR i IN 1..16 LOOP
    EXECUTE format('CREATE VIEW doubled_%s AS SELECT * FROM doubled_%s UNION SELECT * FROM doubled_%s', i, i - 1, i - 1);
END LOOP; END $$;
-- script
UPDATE leaf SET v = 'changed' WHERE id = 1;
SELECT * FROM doubled_5 ORDER BY id;
-- expect refused 54001
SELECT * FROM doubled_16;
-- expect refused 54001
INSERT INTO leaf SELECT id + 10, v FROM doubled_16;
SELECT * FROM doubled_1 ORDER BY id;
