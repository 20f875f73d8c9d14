-- setup
-- shows: queries: views that call functions in SQL over changed tables, in the select list, in FROM, nested
CREATE TABLE orders (id int PRIMARY KEY, customer int, amount int);
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE SCHEMA other;
CREATE TABLE other.orders (id int PRIMARY KEY, customer int, amount int);
INSERT INTO customers VALUES (1, 'ann'), (2, 'bob');
INSERT INTO orders VALUES (1, 1, 10), (2, 1, 20), (3, 2, 5);
INSERT INTO other.orders VALUES (1, 1, 1000);
CREATE FUNCTION total(of int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(amount) FROM orders WHERE customer = of';
CREATE FUNCTION all_orders() RETURNS SETOF public.orders LANGUAGE sql STABLE AS 'SELECT * FROM orders';
CREATE FUNCTION label(of int) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC SELECT name || ': ' || total(id) FROM customers WHERE id = of; END;
CREATE FUNCTION owes(customers, int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(amount) + $2 FROM orders WHERE customer = ($1).id';
CREATE FUNCTION looped(of int) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT sum(amount) FROM orders WHERE customer = of); END';
CREATE FUNCTION adds(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO orders VALUES (n, 1, 1) RETURNING 1';
CREATE OPERATOR public.<+> (leftarg = customers, rightarg = int, function = owes);
CREATE VIEW totals AS SELECT id, name, total(id) AS total FROM customers;
CREATE VIEW listed AS SELECT o.* FROM all_orders() o;
CREATE VIEW large AS SELECT * FROM totals WHERE total > 4;
CREATE VIEW labelled AS SELECT id, label(id) FROM customers;
CREATE VIEW operated AS SELECT id, c <+> 1 AS owes FROM customers c;
CREATE VIEW called AS SELECT id, looped(id) FROM customers;
CREATE VIEW adding AS SELECT adds(77);
-- script
SELECT * FROM totals ORDER BY id;
INSERT INTO orders VALUES (4, 2, 100);
SELECT * FROM totals ORDER BY id;
SELECT * FROM listed ORDER BY id;
SELECT l.name, count(*) FROM large l JOIN listed o ON o.customer = l.id GROUP BY 1 ORDER BY 1;
SELECT * FROM labelled ORDER BY id;
UPDATE customers SET name = upper(name) WHERE id = 2;
SELECT * FROM labelled ORDER BY id;
UPDATE orders SET amount = t.total FROM totals t WHERE t.id = orders.customer AND orders.id = 3 RETURNING *;
COPY (SELECT * FROM large ORDER BY id) TO STDOUT;
-- names in a function's text are the caller's, whatever the view's own text says
SET search_path = other, public;
SELECT * FROM totals ORDER BY id;
INSERT INTO other.orders VALUES (2, 2, 2000);
SELECT * FROM totals ORDER BY id;
SELECT * FROM listed ORDER BY id;
SELECT * FROM labelled ORDER BY id;
RESET search_path;
-- an operator calls its function unseen, and what is no SQL cannot be written out
-- expect refused 0A000
SELECT * FROM operated;
-- expect refused 0A000
SELECT * FROM called;
-- expect refused 0A000
SELECT * FROM adding;
-- expect refused 0A000
UPDATE totals SET name = 'x' WHERE id = 1;
SELECT * FROM totals ORDER BY id;
