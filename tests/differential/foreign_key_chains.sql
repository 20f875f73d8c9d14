-- setup
-- shows: constraints: rows that several chains of foreign keys reach
CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE shipments (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE, shipment_id int REFERENCES shipments);
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE c (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE RESTRICT, b_id int REFERENCES b ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE c2 (id int PRIMARY KEY, a_id int REFERENCES a, b_id int REFERENCES b ON DELETE SET NULL);
CREATE TABLE d (id int PRIMARY KEY, up int REFERENCES d ON DELETE CASCADE, a_id int REFERENCES a ON DELETE SET NULL, b_id int REFERENCES b ON DELETE SET NULL);
CREATE TABLE note (id int PRIMARY KEY, d int REFERENCES d, a_id int REFERENCES a ON DELETE CASCADE);
INSERT INTO orders VALUES (1), (2), (3); INSERT INTO shipments VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO items VALUES (1, 1, 1), (2, 2, 2), (3, 2, 3);
INSERT INTO a SELECT generate_series(1, 9); INSERT INTO b SELECT g, g FROM generate_series(1, 9) g;
INSERT INTO c VALUES (1, NULL, 1), (2, 1, 2), (3, 3, 3); INSERT INTO c2 VALUES (4, 4, 4), (5, NULL, 5);
INSERT INTO d VALUES (1, NULL, 6, 6), (2, 1, 7, 7), (3, 2, NULL, 8); INSERT INTO note VALUES (1, 3, 6), (2, 2, 9);
-- script
DELETE FROM orders WHERE id = 1;
-- expect error 23503
DELETE FROM orders WHERE id = 3;
DELETE FROM orders WHERE id = 2;
SELECT * FROM items ORDER BY id;
-- expect error 23503 or 23001
DELETE FROM a WHERE id = 1;
DELETE FROM a WHERE id = 2;
-- expect error 23503 or 23001
DELETE FROM a WHERE id = 3;
-- expect error 23503
DELETE FROM a WHERE id = 4;
DELETE FROM a WHERE id = 5;
-- expect error 23503
UPDATE a SET id = 30 WHERE id = 3;
-- expect error 23503
UPDATE a SET id = 40 WHERE id = 4;
-- expect error 23503
UPDATE a SET id = 60 WHERE id = 6;
DELETE FROM a WHERE id = 6;
-- expect error 23503
DELETE FROM d WHERE id = 1;
DELETE FROM a WHERE id = 7;
DELETE FROM a WHERE id = 9;
DELETE FROM d WHERE id = 1;
-- expect error 23503 or 23001
-- error data
DELETE FROM a;
DELETE FROM b WHERE id = 8;
SELECT * FROM a ORDER BY id;
SELECT * FROM b ORDER BY id;
SELECT * FROM c ORDER BY id;
SELECT * FROM c2 ORDER BY id;
SELECT * FROM d ORDER BY id;
SELECT * FROM note ORDER BY id;
