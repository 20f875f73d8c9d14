-- setup
-- shows: statements: functions that draw from a sequence, in defaults and in queries
CREATE SEQUENCE numbers;
CREATE SEQUENCE other;
CREATE FUNCTION number() RETURNS text LANGUAGE plpgsql AS $$
DECLARE drawn bigint;
BEGIN
    SELECT nextval('numbers') INTO drawn;
    RETURN 'N-' || lpad(drawn::text, 4, '0');
END $$;
CREATE FUNCTION plain() RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''numbers'')';
CREATE TABLE invoices (no text PRIMARY KEY DEFAULT number(), total int NOT NULL);
CREATE TABLE items (id bigint PRIMARY KEY DEFAULT plain(), no text REFERENCES invoices, n int);
INSERT INTO invoices (total) VALUES (1), (2);
INSERT INTO items (no, n) VALUES ('N-0001', 5);
-- script
INSERT INTO invoices (total) VALUES (3), (4) RETURNING no;
INSERT INTO items (no, n) SELECT no, total FROM invoices WHERE total > 2 ORDER BY total RETURNING id;
UPDATE invoices SET total = 10 WHERE no = 'N-0003';
SELECT number();
SELECT no, plain() FROM invoices WHERE total > 3 ORDER BY no;
INSERT INTO invoices VALUES (number(), 6) RETURNING no;
COPY invoices (total) FROM STDIN;
7
8
\.
SELECT * FROM invoices ORDER BY no;
SELECT setval('other', 10);
-- expect refused 0A000
SELECT number();
-- expect refused 0A000
INSERT INTO invoices (total) VALUES (9);
SELECT * FROM items ORDER BY id;
