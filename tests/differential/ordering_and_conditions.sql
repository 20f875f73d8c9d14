-- setup
-- shows: queries: WHERE, ORDER BY, LIMIT, OFFSET, FETCH, DISTINCT, DISTINCT ON
-- differs: `FOR UPDATE`, `FOR SHARE`, with NOWAIT or SKIP LOCKED | wait for other writers of the session | the rows of other sessions and of production are not locked
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

SELECT id FROM customers ORDER BY id LIMIT 5;
SELECT id FROM customers ORDER BY id DESC LIMIT 5 OFFSET 2;
SELECT id, city FROM customers ORDER BY city NULLS FIRST, id DESC OFFSET 18;
SELECT id FROM customers ORDER BY credit DESC, id FETCH FIRST 3 ROWS ONLY;
SELECT id, price FROM products ORDER BY price FETCH FIRST 3 ROWS WITH TIES;
SELECT name AS title FROM products ORDER BY title LIMIT 4;
SELECT id FROM customers ORDER BY length(name), name COLLATE "C" DESC LIMIT 6;
SELECT id FROM customers ORDER BY 1 LIMIT NULL OFFSET 20;
SELECT id FROM customers ORDER BY id LIMIT 0;
-- params: 3, 4
SELECT id FROM customers ORDER BY id LIMIT $1 OFFSET $2;
-- params: 5, Bonn
SELECT id FROM customers WHERE id > $1 AND city = $2 ORDER BY id;
SELECT * FROM customers WHERE city IS NULL ORDER BY id;
SELECT id, city IS DISTINCT FROM 'Ulm', coalesce(city, '-'), nullif(city, 'Bonn') FROM customers ORDER BY id LIMIT 9;
SELECT id, CASE WHEN credit > 100 THEN 'rich' WHEN credit > 40 THEN 'fair' ELSE 'poor' END AS class FROM customers ORDER BY id;
SELECT id, CASE city WHEN 'Ulm' THEN 1 WHEN 'Bonn' THEN 2 END FROM customers ORDER BY 2 NULLS FIRST, 1 LIMIT 8;
SELECT id FROM customers WHERE city <> 'Ulm' OR city IS NULL ORDER BY id;
SELECT id FROM customers WHERE NOT (city = 'Ulm') ORDER BY id;
SELECT id FROM customers WHERE name LIKE '%1_' ORDER BY id;
SELECT id FROM customers WHERE name ILIKE 'NEW%' OR name ~ '^cust.* 2$' ORDER BY id;
SELECT id FROM customers WHERE credit BETWEEN 20 AND 50.5 ORDER BY id;
SELECT id FROM customers WHERE (city, credit) > ('Bonn', 100) ORDER BY id;
SELECT c FROM customers c WHERE id IN (2, 21) ORDER BY id;
SELECT row_to_json(c), to_jsonb(c) -> 'city' FROM customers c WHERE id IN (2, 22) ORDER BY id;
SELECT customers.* , 1 AS one FROM customers WHERE id = 2;
SELECT public.customers.name FROM public.customers WHERE public.customers.id = 21;
SELECT (c).name, (c).* FROM (SELECT customers AS c FROM customers WHERE id = 7) x;
-- expect error 22P02
SELECT id FROM customers WHERE id = 'x';
-- expect error 2201W
SELECT id FROM customers LIMIT -1;
