-- setup
-- shows: constraints: rows that single partitions refer to by foreign keys of their own: changed, removed with those that refer to them, before and after the partitioned table is drafted
-- needs: PostgreSQL 14
CREATE TABLE shop (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE sale (id int PRIMARY KEY, shop int REFERENCES shop, note text);
CREATE TABLE paid (id int, sale int, shop text, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE paid_1 PARTITION OF paid FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE paid_2 PARTITION OF paid FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE paid_rest PARTITION OF paid DEFAULT;
ALTER TABLE paid_1 ADD FOREIGN KEY (sale) REFERENCES sale, ADD FOREIGN KEY (shop) REFERENCES shop (name);
ALTER TABLE paid_2 ADD FOREIGN KEY (sale) REFERENCES sale ON DELETE RESTRICT;
INSERT INTO shop VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO sale SELECT n, 1 + n % 2 FROM generate_series(1, 9) n;
INSERT INTO paid SELECT n, n, 'one', '2024-01-11'::date + 25 * (n % 4) FROM generate_series(1, 8) n;
-- script
UPDATE sale SET note = 'first' WHERE id IN (1, 2);
-- expect error 23503
DELETE FROM sale WHERE id = 4;
DELETE FROM paid WHERE sale = 4;
DELETE FROM sale WHERE id = 4;
-- a row of another partition holds nothing
DELETE FROM sale WHERE id = 7;
-- expect error 23503 or 23001
DELETE FROM sale WHERE id = 5;
UPDATE paid SET at = '2024-05-05' WHERE sale = 5;
DELETE FROM sale WHERE id = 5;
UPDATE paid SET at = '2024-01-05', shop = 'two' WHERE sale = 3;
-- expect error 23503
DELETE FROM sale WHERE id = 3;
UPDATE paid SET sale = 9 WHERE sale = 3;
DELETE FROM sale WHERE id = 3;
INSERT INTO sale VALUES (20, 3);
INSERT INTO paid VALUES (20, 20, 'three', '2024-02-02');
-- expect error 23503 or 23001
DELETE FROM sale WHERE id = 20;
-- expect error 23503
UPDATE shop SET name = 'dos' WHERE id = 2;
UPDATE paid SET shop = NULL WHERE id = 3;
UPDATE shop SET name = 'dos' WHERE id = 2;
DELETE FROM paid WHERE id = 20;
DELETE FROM sale WHERE shop = 3;
DELETE FROM shop WHERE id = 3;
TABLE sale ORDER BY id;
TABLE paid ORDER BY id;
