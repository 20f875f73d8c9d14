-- setup
-- shows: statements: functions in SQL that read: of one value, of rows, in FROM, nested, STRICT, BEGIN ATOMIC, named parameters
-- needs: PostgreSQL 14
CREATE TABLE orders (id int PRIMARY KEY, customer int, total numeric, note text);
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT n, 'c' || n FROM generate_series(1, 5) n;
INSERT INTO orders SELECT n, n % 5 + 1, n * 1.5, 'n' || n FROM generate_series(1, 20) n;
CREATE FUNCTION total_of(int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(total) FROM orders WHERE customer = $1';
CREATE FUNCTION name_of(who int) RETURNS text LANGUAGE sql STABLE STRICT AS 'SELECT name FROM customers WHERE customers.id = who';
CREATE FUNCTION any_order(c int) RETURNS text LANGUAGE sql AS 'SELECT note FROM orders WHERE customer = any_order.c ORDER BY id DESC;';
CREATE FUNCTION orders_of(c int) RETURNS SETOF orders LANGUAGE sql STABLE AS $$ SELECT * FROM orders WHERE customer = c ORDER BY id $$;
CREATE FUNCTION report(least_total numeric) RETURNS TABLE (who text, sum numeric, orders bigint) LANGUAGE sql STABLE
    AS $$ SELECT name_of(customer), sum(o.total), count(*) FROM orders o GROUP BY customer HAVING sum(o.total) >= least_total ORDER BY 1 $$;
CREATE FUNCTION ids(c int) RETURNS SETOF int LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM orders WHERE customer = c; END;
CREATE FUNCTION count_all() RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM orders);
CREATE FUNCTION definer() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT count(*) FROM orders';
CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'DELETE FROM orders RETURNING id';
CREATE FUNCTION same(total numeric) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM orders WHERE total = total';
-- script
SELECT total_of(3), name_of(3);
SELECT * FROM orders_of(2);
UPDATE orders SET total = total + 100, note = note || '!' WHERE id IN (2, 7);
INSERT INTO orders VALUES (100, 3, 1000, 'new');
DELETE FROM orders WHERE id = 12;
UPDATE customers SET name = 'renamed' WHERE id = 3;
SELECT total_of(3), name_of(3), name_of(NULL), total_of(NULL), name_of(99) IS NULL AS none;
SELECT id, total_of(id) AS t, name_of(id) FROM customers ORDER BY total_of(id) DESC NULLS LAST, id;
SELECT c.id, any_order(c.id) FROM customers c ORDER BY 1;
SELECT * FROM orders_of(3);
SELECT o.id, o.note FROM orders_of(3) AS o WHERE o.total > 10;
SELECT c.name, o.id FROM customers c, orders_of(c.id) o WHERE c.id < 4 ORDER BY 1, 2;
SELECT c.name, o.id FROM customers c LEFT JOIN LATERAL orders_of(c.id) o ON o.total > 1000 ORDER BY 1, 2;
SELECT orders_of.id FROM orders_of(3) WHERE orders_of.id > 10;
SELECT * FROM report(100);
SELECT who FROM report(0) r ORDER BY r.sum;
SELECT * FROM ids(3) ORDER BY 1;
SELECT x + 1 AS y FROM ids(3) AS x ORDER BY 1;
SELECT i FROM ids(3) AS f(i) ORDER BY 1;
SELECT count_all(), count_all() + 1 AS more;
SELECT public.total_of(1 + 2);
SELECT total_of FROM (SELECT total_of(3)) t;
SELECT total_of((SELECT customer FROM orders WHERE id = 100)), total_of(CASE WHEN true THEN 2 END);
SELECT count(*), total_of(customer) FROM orders GROUP BY customer ORDER BY 2;
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders_of(3);
FETCH ALL FROM c;
CLOSE c;
-- expect error 22012
SELECT total_of(1 / (id - 1)) FROM customers;
SELECT name FROM customers WHERE total_of(id) > 100 ORDER BY 1;
SELECT same(1);
WITH w AS (SELECT total_of(3) AS t) SELECT t FROM w;
PREPARE p(int) AS SELECT total_of($1), note FROM orders_of($1) WHERE total > 5;
EXECUTE p(3);
DELETE FROM orders WHERE id = 100;
EXECUTE p(3);
DEALLOCATE p;
-- expect error 42883
SELECT total_of('a', 2);
-- expect error 22P02
SELECT total_of('a');
-- expect refused 0A000
SELECT definer();
-- expect refused 0A000
SELECT writes();
SELECT total_of(max(id)) FROM customers;
UPDATE customers SET name = name_of(1);
-- expect refused 0A000
SELECT o FROM orders_of(3) o;
