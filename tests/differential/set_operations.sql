-- setup
-- shows: queries: UNION, INTERSECT, EXCEPT, with and without ALL
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text, credit numeric(10,2) NOT NULL DEFAULT 0);
CREATE TABLE products (id int PRIMARY KEY, name varchar(40) NOT NULL, price numeric(8,2) NOT NULL CHECK (price >= 0), stock int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, placed date NOT NULL, status text NOT NULL DEFAULT 'new');
CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE, n int, product_id int NOT NULL REFERENCES products, quantity int NOT NULL CHECK (quantity > 0), PRIMARY KEY (order_id, n));
INSERT INTO customers SELECT n, 'customer ' || n, (ARRAY['Bonn','Köln','Aachen',NULL])[1 + n % 4], n * 10 FROM generate_series(1, 20) n;
INSERT INTO products SELECT n, 'product ' || n, n * 1.25, n * 3 FROM generate_series(1, 15) n;
INSERT INTO orders SELECT n, 1 + n * 7 % 20, date '2024-01-01' + n, (ARRAY['new','paid','sent'])[1 + n % 3] FROM generate_series(1, 30) n;
INSERT INTO lines SELECT o, n, 1 + (o * 3 + n) % 15, 1 + (o + n) % 4 FROM generate_series(1, 30) o, generate_series(1, 3) n WHERE (o + n) % 5 <> 0;
-- script
INSERT INTO customers VALUES (21, 'new customer', 'Bonn', 5), (22, 'no orders', NULL, 0);
UPDATE customers SET city = 'Ulm', credit = credit + 0.5 WHERE id IN (2, 3, 5, 7);
DELETE FROM lines WHERE order_id = 4;
DELETE FROM orders WHERE id = 4;
INSERT INTO orders VALUES (31, 21, '2024-03-01', 'new'), (32, 2, '2024-03-02', 'paid');
INSERT INTO lines VALUES (31, 1, 3, 2), (31, 2, 5, 1), (32, 1, 15, 9);
UPDATE products SET price = price * 2 WHERE id % 5 = 0;
DELETE FROM lines WHERE order_id = 6 AND n = 1;

SELECT city FROM customers UNION SELECT name FROM products ORDER BY 1;
SELECT id FROM customers UNION ALL SELECT id FROM products ORDER BY 1;
SELECT id FROM customers INTERSECT SELECT customer_id FROM orders ORDER BY 1;
SELECT id FROM customers EXCEPT SELECT customer_id FROM orders ORDER BY 1;
SELECT id FROM customers EXCEPT ALL (SELECT id FROM products UNION SELECT 20) ORDER BY id DESC LIMIT 3;
(SELECT id FROM orders ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM orders ORDER BY id DESC LIMIT 2) ORDER BY 1;
SELECT 'c' AS kind, id FROM customers WHERE id > 20 UNION ALL SELECT 'o', id FROM orders WHERE id > 30 ORDER BY kind, id;
SELECT count(*) FROM (SELECT city FROM customers UNION SELECT NULL) x;
SELECT id FROM customers WHERE id IN (SELECT id FROM products INTERSECT SELECT product_id FROM lines) ORDER BY 1;
VALUES (1, 'one'), (2, 'two') ORDER BY 1 DESC;
SELECT name FROM products WHERE id = 5 UNION SELECT name FROM customers WHERE id = 5;
-- expect error 42601
SELECT id, name FROM customers UNION SELECT id FROM products;
-- expect error 42804
SELECT id FROM customers UNION SELECT name FROM products;
