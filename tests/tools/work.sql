-- What makes a draft differ from production before psql and pg_dump look at it.
INSERT INTO customers (name, email) VALUES (E'tab\there', 'new@example.com');
UPDATE orders SET note = 'changed' WHERE id = 3;
DELETE FROM orders WHERE id = 4;
INSERT INTO app."Mixed Case" VALUES (1, 'ok');
UPDATE parts SET a = 16, b = NULL WHERE a = 2;
