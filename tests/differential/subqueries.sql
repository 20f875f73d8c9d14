-- setup
-- shows: queries: subqueries in FROM, WHERE and the select list, EXISTS, IN, ANY, ALL
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

SELECT id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'paid') ORDER BY id;
SELECT id FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id) ORDER BY id;
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE placed >= '2024-01-20') ORDER BY id;
SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders) ORDER BY id;
SELECT id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n FROM customers c ORDER BY id;
SELECT id, (SELECT max(placed) FROM orders WHERE customer_id = customers.id) FROM customers ORDER BY id;
SELECT (SELECT sum(price) FROM products), (SELECT name FROM customers WHERE id = 2);
SELECT id FROM products WHERE price > (SELECT avg(price) FROM products) ORDER BY id;
SELECT id FROM products WHERE price >= ALL (SELECT price FROM products) ORDER BY id;
SELECT id FROM products WHERE id = ANY (SELECT product_id FROM lines WHERE quantity > 3) ORDER BY id;
SELECT id FROM orders WHERE (id, customer_id) IN (SELECT id, customer_id FROM orders WHERE status = 'sent') ORDER BY id;
SELECT ARRAY(SELECT id FROM orders WHERE customer_id = 2 ORDER BY id);
SELECT * FROM (SELECT city, count(*) AS n FROM (SELECT * FROM customers WHERE credit > 20) AS rich GROUP BY city) AS g ORDER BY city NULLS FIRST;
SELECT x.id, y.total FROM customers x JOIN (SELECT customer_id, sum(quantity) AS total FROM orders JOIN lines ON order_id = orders.id GROUP BY customer_id) y ON y.customer_id = x.id ORDER BY 1;
-- a column of the outer query under the same name as one inside
SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM lines WHERE order_id = id AND product_id = 3) ORDER BY id;
-- expect error 21000
SELECT (SELECT id FROM customers);
-- expect error 42601
SELECT id FROM customers WHERE id IN (SELECT id, name FROM customers);
