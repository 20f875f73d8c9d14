-- setup
-- shows: queries: WITH, WITH RECURSIVE, MATERIALIZED, names hidden by WITH
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

WITH orders AS (SELECT 1 AS id, 'not the table' AS status) SELECT * FROM orders;
WITH orders AS (SELECT id FROM orders WHERE status = 'paid') SELECT count(*) FROM orders;
WITH RECURSIVE orders AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM orders WHERE id < 5) SELECT sum(id) FROM orders;
WITH a AS (SELECT id FROM customers), b AS (SELECT id FROM a WHERE id > 18) SELECT * FROM b ORDER BY id;
WITH customers AS (SELECT 99 AS id) SELECT * FROM customers WHERE id IN (SELECT id FROM public.customers UNION SELECT 99);
SELECT (WITH products AS (SELECT 7 AS id) SELECT id FROM products), (SELECT count(*) FROM products);
WITH o AS (WITH orders AS (SELECT 5 AS id) SELECT id FROM orders) SELECT o.id, orders.status FROM o JOIN orders ON orders.id = o.id;
SELECT * FROM (WITH customers AS (SELECT 1 AS one) SELECT * FROM customers) x, customers WHERE customers.id = x.one;
WITH RECURSIVE t (n, path) AS (SELECT id, name::text FROM products WHERE id = 1 UNION ALL SELECT p.id, t.path || '>' || p.id FROM products p JOIN t ON p.id = t.n + 5) SELECT * FROM t ORDER BY n;
WITH x AS MATERIALIZED (SELECT * FROM products), y AS NOT MATERIALIZED (SELECT * FROM x WHERE id < 4) SELECT id, price FROM y ORDER BY id;
WITH x (a, b) AS (VALUES (1, 'p'), (2, 'q')) SELECT x.*, customers.name FROM x JOIN customers ON customers.id = a ORDER BY a;
WITH totals AS (SELECT order_id, sum(quantity) AS q FROM lines GROUP BY order_id) SELECT o.id, coalesce(t.q, 0) FROM orders o LEFT JOIN totals t ON t.order_id = o.id ORDER BY o.id;
WITH x AS (SELECT id FROM customers WHERE id < 3) UPDATE customers SET credit = credit + 1 FROM x WHERE x.id = customers.id;
WITH gone AS (SELECT order_id FROM lines GROUP BY order_id HAVING count(*) = 1) DELETE FROM lines USING gone WHERE lines.order_id = gone.order_id RETURNING lines.*;
WITH src AS (SELECT 40 + n AS id FROM generate_series(1, 3) n) INSERT INTO customers (id, name) SELECT id, 'cte ' || id FROM src RETURNING *;
SELECT * FROM customers ORDER BY id;
-- expect error 42P01
SELECT * FROM (WITH inner_name AS (SELECT 1) SELECT * FROM inner_name) x, inner_name;
