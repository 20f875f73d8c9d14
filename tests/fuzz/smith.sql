-- Tables and a draft for queries that sqlsmith makes (crates/testkit/tests/smith.rs).
-- setup
CREATE TYPE mood AS ENUM ('sad','ok','happy');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE TYPE pt AS (x int, y text);
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email varchar(40) UNIQUE, mood mood DEFAULT 'ok', tags text[], info jsonb, created timestamptz, balance numeric(10,2), p pt);
CREATE TABLE products (sku char(6) PRIMARY KEY, price numeric(8,2) CHECK (price >= 0), qty posint, valid daterange, dims int4range, active boolean);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int REFERENCES customers, placed date, status text, total float8, secs interval, ip inet);
CREATE TABLE lines (order_id bigint REFERENCES orders ON DELETE CASCADE, line smallint, sku char(6) REFERENCES products, n int, note varchar(20), PRIMARY KEY (order_id, line));
CREATE TABLE logs (at timestamp, msg text, level int);
CREATE TABLE part (id int, region text, v int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
CREATE TABLE part_rest PARTITION OF part DEFAULT;
INSERT INTO customers SELECT i, 'c'||i, 'c'||i||'@x', (ARRAY['sad','ok','happy'])[1+i%3]::mood, ARRAY['a'||i%3,'b'], jsonb_build_object('k', i%5), '2026-01-01'::timestamptz + i*interval '1 day', i*1.5, ROW(i,'p'||i)::pt FROM generate_series(1,8) i;
INSERT INTO products SELECT 'p'||i, i*2.25, i, daterange('2026-01-01','2026-02-01'), int4range(i,i+5), i%2=0 FROM generate_series(1,6) i;
INSERT INTO orders SELECT i, 1+i%7, '2026-01-01'::date+i, (ARRAY['todo','done',NULL])[1+i%3], i/7.0, i*interval '1 min', ('10.0.0.'||i%250)::inet FROM generate_series(1,9) i;
INSERT INTO lines SELECT i, l, 'p'||(1+(i+l)%6), i%5, 'n'||i FROM generate_series(1,5) i, generate_series(1,2) l;
INSERT INTO logs SELECT '2026-01-01'::timestamp + i*interval '1h', 'm'||i, i%4 FROM generate_series(1,6) i;
INSERT INTO part SELECT i, CASE i%2 WHEN 0 THEN 'eu' ELSE 'us' END, i FROM generate_series(1,6) i;
CREATE VIEW big AS SELECT c.id, c.name, count(o.*) AS n, sum(o.total) AS t FROM customers c LEFT JOIN orders o ON o.customer_id=c.id GROUP BY c.id;
CREATE VIEW act AS SELECT sku, price FROM products WHERE active;
-- script
UPDATE customers SET balance = balance + 1, tags = tags || ARRAY['z'] WHERE id % 3 = 0;
DELETE FROM lines WHERE n = 1;
DELETE FROM customers WHERE id NOT IN (SELECT customer_id FROM orders);
INSERT INTO customers (id, name, email, mood) VALUES (101, 'new', 'n@x', 'happy'), (102, 'other', NULL, 'sad');
UPDATE products SET price = price * 2, active = NOT active WHERE qty > 3;
INSERT INTO products VALUES ('q1', 5, 7, NULL, NULL, NULL);
UPDATE orders SET status = 'gone' WHERE id % 5 = 0;
DELETE FROM orders WHERE id > 8;
INSERT INTO orders VALUES (200, 101, '2026-05-05', 'todo', 1.25, '1h', '1.2.3.4');
INSERT INTO lines VALUES (200, 1, 'q1', 3, 'hello');
UPDATE lines SET n = n + 1 WHERE line = 2;
INSERT INTO logs VALUES ('2027-01-01', 'late', 9);
UPDATE part SET region = 'us', v = 0 WHERE id IN (2, 4);
DELETE FROM part WHERE id = 5;
INSERT INTO part VALUES (77, 'eu', 1);
