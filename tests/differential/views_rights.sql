-- setup
-- shows: tables: rights of views' owners, security_invoker, views over views of another owner
-- needs: PostgreSQL 15
-- differs: a view that agents may read over a table that they may not, where the session changed that table | 42501 | the base's rows are read with the agents' rights; ask for SELECT on the table
-- differs: a change through a view whose owner may not change the table | is made | what may be changed in a draft is the agent's to propose and the reviewer's to commit
CREATE ROLE views_owner;
GRANT USAGE, CREATE ON SCHEMA public TO views_owner;
CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE TABLE closed (id int PRIMARY KEY, v int);
INSERT INTO t SELECT g, g FROM generate_series(1, 5) g;
INSERT INTO closed SELECT g, g FROM generate_series(1, 5) g;
GRANT SELECT ON t TO views_owner;
GRANT SELECT (id) ON closed TO views_owner;
SET ROLE views_owner;
CREATE VIEW open AS SELECT id, v FROM t;
CREATE VIEW ids AS SELECT id FROM closed;
RESET ROLE;
CREATE VIEW shut AS SELECT id, v FROM closed;
CREATE VIEW shut_too AS SELECT id FROM closed WHERE v > 1;
CREATE VIEW outer_view AS SELECT * FROM shut;
CREATE VIEW invoking WITH (security_invoker) AS SELECT id, v FROM closed;
ALTER VIEW shut OWNER TO views_owner;
ALTER VIEW shut_too OWNER TO views_owner;
ALTER VIEW invoking OWNER TO views_owner;
CREATE VIEW over_invoking WITH (security_invoker) AS SELECT * FROM shut;
CREATE VIEW over_owned AS SELECT * FROM invoking;
ALTER VIEW over_owned OWNER TO views_owner;
GRANT SELECT ON over_owned, invoking TO views_owner;
-- script
-- expect error 42501
SELECT * FROM shut;
UPDATE t SET v = 10 WHERE id = 1;
UPDATE closed SET v = 10 WHERE id = 1;
SELECT * FROM open ORDER BY id;
SELECT * FROM ids ORDER BY id;
SELECT * FROM invoking ORDER BY id;
-- expect error 42501
SELECT * FROM shut;
-- expect error 42501
SELECT count(*) FROM shut_too WHERE id = 1;
-- expect error 42501
SELECT * FROM outer_view;
-- expect error 42501
SELECT * FROM over_invoking;
SELECT * FROM over_owned ORDER BY id;
-- expect error 42501
SELECT o.v, s.v FROM open o LEFT JOIN shut s ON s.id = o.id;
-- expect error 42501
INSERT INTO t SELECT id + 10, v FROM shut;
-- expect error 42501
UPDATE t SET v = s.v FROM shut s WHERE s.id = t.id;
-- expect error 42501
UPDATE shut SET v = 3 WHERE id = 1;
-- expect error 42501
DELETE FROM outer_view WHERE id = 1 RETURNING *;
UPDATE invoking SET v = v + 1 WHERE id = 2 RETURNING *;
SELECT o.id, o.v, i.v FROM open o JOIN invoking i USING (id) WHERE o.v > 1 ORDER BY o.v DESC LIMIT 2;
SELECT open FROM open WHERE id = 1;
WITH w AS (SELECT * FROM open WHERE v > 2) SELECT count(*), max(v) FROM w;
UPDATE t SET v = o.v + 1 FROM open o WHERE o.id = t.id AND o.id < 3 RETURNING t.id, t.v;
SELECT * FROM t ORDER BY id;
