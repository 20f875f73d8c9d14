-- setup
-- shows: queries: FOR UPDATE and its kin over outer joins: refused on the side that may be missing, unless a condition leaves no row without it
-- differs: FOR UPDATE over an outer join whose only strict condition on the nullable side holds `||` or an unusual function, or stands outside of the subquery or view that joins | 0A000 | what PostgreSQL's planner finds out of such a condition is not known
CREATE TABLE orders (id int PRIMARY KEY, customer int, note text);
CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO orders VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 9, 'c');
INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bob');
CREATE VIEW named AS SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer;
-- script
INSERT INTO customers VALUES (7, 'Eve');
-- expect error 0A000
-- batch
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id FOR UPDATE;
-- end
-- expect error 0A000
-- batch
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id FOR NO KEY UPDATE OF c;
-- end
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id ORDER BY o.id FOR SHARE OF o;
-- expect error 0A000
-- batch
SELECT * FROM customers c RIGHT JOIN orders o ON o.customer = c.id FOR KEY SHARE SKIP LOCKED;
-- end
-- expect error 0A000
-- batch
SELECT * FROM orders o FULL JOIN customers c ON o.customer = c.id FOR UPDATE OF o;
-- end
-- expect error 0A000
-- batch
SELECT * FROM orders o LEFT JOIN (customers c JOIN orders p ON p.id = c.id) ON o.customer = c.id FOR UPDATE OF p NOWAIT;
-- end
-- expect error 0A000
-- batch
SELECT * FROM orders o LEFT JOIN (SELECT * FROM customers) c ON o.customer = c.id FOR UPDATE OF c;
-- end
SELECT * FROM orders o LEFT JOIN (SELECT * FROM customers FOR UPDATE) c ON o.customer = c.id ORDER BY o.id;
WITH c AS (SELECT * FROM customers) SELECT * FROM orders o LEFT JOIN c ON o.customer = c.id ORDER BY o.id FOR UPDATE;
SELECT * FROM orders o LEFT JOIN (VALUES (1)) v (i) ON o.customer = v.i ORDER BY o.id FOR UPDATE;
-- expect error 0A000
-- batch
SELECT * FROM (SELECT o.id FROM orders o LEFT JOIN customers c ON o.customer = c.id) s FOR UPDATE;
-- end
-- expect error 0A000
-- batch
SELECT count(*) FROM orders WHERE EXISTS (SELECT FROM orders o LEFT JOIN customers c ON o.customer = c.id FOR UPDATE);
-- end
-- A condition that no missing row meets.
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE c.name = 'Ann' FOR UPDATE;
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE name = 'Ann' FOR UPDATE;
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE c.id IS NOT NULL ORDER BY o.id FOR UPDATE;
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE c.id IN (1, 5) OR c.name LIKE 'B%' ORDER BY o.id FOR UPDATE;
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE NOT (upper(c.name::text) = 'BOB') FOR UPDATE;
SELECT o.* FROM orders o LEFT JOIN customers c ON o.customer = c.id JOIN customers d ON d.id = c.id ORDER BY o.id FOR UPDATE;
SELECT o.* FROM orders o LEFT JOIN customers c ON o.customer = c.id LEFT JOIN orders p ON p.id = c.id WHERE p.customer > 1 FOR UPDATE;
SELECT o.* FROM orders o FULL JOIN customers c ON o.customer = c.id WHERE o.note > '' ORDER BY 1 FOR UPDATE OF o;
-- One that a missing row meets.
-- expect error 0A000
-- batch
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE c.id IS NULL FOR UPDATE;
-- end
-- expect error 0A000
-- batch
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE c.id = 1 OR o.id = 3 FOR UPDATE;
-- end
-- expect error 0A000
-- batch
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE coalesce(c.name, '') = '' FOR UPDATE;
-- end
-- expect error 0A000
-- batch
SELECT o.* FROM orders o FULL JOIN customers c ON o.customer = c.id WHERE o.note > '' FOR UPDATE;
-- end
-- expect error 0A000
-- batch
SELECT * FROM named FOR UPDATE;
-- end
