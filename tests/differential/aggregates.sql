-- setup
-- shows: queries: aggregates, FILTER, GROUP BY, HAVING, GROUPING SETS, ROLLUP, CUBE, windows
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

SELECT count(*), count(city), count(DISTINCT city), sum(credit), avg(credit), min(credit), max(name) FROM customers;
SELECT city, count(*), sum(credit) FROM customers GROUP BY city ORDER BY city NULLS LAST;
SELECT city, count(*) FROM customers GROUP BY 1 HAVING count(*) > 4 ORDER BY 2 DESC, 1;
SELECT status, city, count(*) FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY GROUPING SETS ((status, city), (status), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST, 3;
SELECT status, extract(month FROM placed) AS m, count(*) FROM orders GROUP BY ROLLUP (status, m) ORDER BY 1, 2;
SELECT status, customer_id % 2 AS odd, count(*), grouping(status) FROM orders GROUP BY CUBE (status, odd) ORDER BY 1, 2, 4;
SELECT c.id, c.name, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id ORDER BY c.id;
-- The key stands in GROUP BY by its place, and after an expression.
SELECT c.id AS pk, c.name, c.city, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY 1 ORDER BY 1;
SELECT count(o.id), c.name, c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY 3, c.id ORDER BY c.name, 3;
SELECT c.city IS NULL AS nowhere, c.id, c.name, count(*) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.city IS NULL, 2 ORDER BY 2;
SELECT order_id, n, quantity, count(*) FROM lines GROUP BY 1, 2 ORDER BY 1, 2;
-- expect error 42803
SELECT c.name, c.id, count(*) FROM customers c GROUP BY 1;
-- By its name in the select list, where no table has a column of that name.
SELECT c.id AS pk, c.name, c.city, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY pk ORDER BY pk;
SELECT order_id AS a, n AS b, quantity, count(*) FROM lines GROUP BY b, a ORDER BY 1, 2;
-- expect error 42803
SELECT c.id AS city, c.name, count(*) FROM customers c GROUP BY city;
-- expect error 42803
SELECT c.id AS status, c.name, count(*) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY status;
-- expect error 42803
SELECT c.id AS pk, c.name, count(*) FROM customers c, (VALUES (1)) v (pk) GROUP BY pk;
-- expect error 42803
SELECT c.id AS pk, c.name, count(*) FROM customers c, generate_series(1, 2) pk GROUP BY pk;
SELECT string_agg(name, ', ' ORDER BY id) FILTER (WHERE id > 18) FROM customers;
SELECT array_agg(id ORDER BY id), jsonb_agg(status ORDER BY id), bool_and(placed > '2024-01-01'), bool_or(status = 'sent') FROM orders WHERE id > 26;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY price), mode() WITHIN GROUP (ORDER BY stock % 3) FROM products;
SELECT id, row_number() OVER (ORDER BY price DESC, id), rank() OVER (PARTITION BY id % 3 ORDER BY price), sum(price) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM products ORDER BY id;
SELECT id, lag(price) OVER w, lead(price, 2, 0) OVER w, first_value(name) OVER w FROM products WINDOW w AS (ORDER BY id) ORDER BY id;
SELECT * FROM (SELECT order_id, n, row_number() OVER (PARTITION BY order_id ORDER BY quantity DESC, n) AS k FROM lines) x WHERE k = 1 ORDER BY order_id;
SELECT DISTINCT city FROM customers ORDER BY city;
SELECT DISTINCT ON (customer_id) customer_id, id, placed FROM orders ORDER BY customer_id, placed DESC;
SELECT count(*) FROM lines WHERE quantity > 100;
SELECT sum(quantity), max(quantity), array_agg(quantity) FROM lines WHERE false;
SELECT stddev(price)::numeric(10,4), variance(price)::numeric(10,4), corr(price, stock)::numeric(10,6) FROM products;
-- expect error 42803
SELECT city, name FROM customers GROUP BY city;
-- expect error 42803
SELECT id FROM customers WHERE count(*) > 1;
