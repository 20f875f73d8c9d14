-- setup
-- shows: queries: inner, outer, cross, natural joins, USING, LATERAL
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

SELECT c.name, o.id FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY c.name, o.id;
SELECT c.id, o.id AS order_id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id > 15 ORDER BY 1, 2;
SELECT c.id, o.id FROM orders o RIGHT JOIN customers c ON o.customer_id = c.id WHERE c.city = 'Ulm' ORDER BY 1, 2;
SELECT c.id, p.id FROM customers c FULL JOIN products p ON p.id = c.id ORDER BY c.id, p.id;
SELECT count(*) FROM customers CROSS JOIN products;
SELECT count(*) FROM customers, products WHERE customers.id = products.id;
SELECT * FROM orders JOIN lines ON lines.order_id = orders.id WHERE orders.id IN (31, 32, 5) ORDER BY orders.id, n;
SELECT * FROM (SELECT id AS order_id, status FROM orders) o NATURAL JOIN lines ORDER BY order_id, n LIMIT 20;
SELECT order_id, n, status FROM lines JOIN (SELECT id AS order_id, status FROM orders) o USING (order_id) WHERE order_id > 28 ORDER BY 1, 2;
SELECT a.id, b.id FROM customers a JOIN customers b ON a.city = b.city AND a.id < b.id ORDER BY 1, 2;
SELECT c.name, o.id, l.n, p.name, l.quantity * p.price AS total FROM customers c JOIN orders o ON o.customer_id = c.id JOIN lines l ON l.order_id = o.id JOIN products p ON p.id = l.product_id WHERE o.id > 25 ORDER BY o.id, l.n;
SELECT c.id, x.n FROM customers c LEFT JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.customer_id = c.id) x ON true ORDER BY c.id;
SELECT c.id, x.id FROM customers c CROSS JOIN LATERAL (SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY o.id DESC LIMIT 1) x ORDER BY 1;
SELECT o.id, c.* FROM orders o, customers AS c (ident, title) WHERE c.ident = o.customer_id AND o.id >= 30 ORDER BY 1;
SELECT * FROM (customers c JOIN orders o ON c.id = o.customer_id) LEFT JOIN lines l ON l.order_id = o.id AND l.n = 1 WHERE o.id > 27 ORDER BY o.id;
SELECT j.* FROM (customers c JOIN orders o ON c.id = o.customer_id) AS j (a, b, c, d, e) WHERE e > 29 ORDER BY 1;
