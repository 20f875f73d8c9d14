-- setup
-- differs: has_table_privilege() and its kin, table_privileges and role_table_grants of information_schema | of an agent: what its role may do to production itself, which is to read | what it may do in its draft no catalog says; a client that asks before it writes takes the table for read-only
-- shows: sessions: `pg_prepared_statements`, `pg_cursors`, `pg_stat_activity` and `pg_locks` of the client's own connection
-- shows: queries: system catalogs and `information_schema` without schema `pgdraft`
-- differs: `pg_stat_activity` | in a draft | It has the client's own connection. Others' would show what other agents do.
-- differs: the unnamed portal in `pg_cursors` | in a draft | It is not in it: it may be one that the client did not bind.
CREATE TABLE shops (id int PRIMARY KEY, name text);
INSERT INTO shops VALUES (1, 'a'), (2, 'b');
CREATE VIEW open_shops AS SELECT * FROM shops;
CREATE TABLE orders (id int PRIMARY KEY, shop int NOT NULL REFERENCES shops ON DELETE CASCADE, day date, UNIQUE (shop, day), CONSTRAINT late CHECK (day > '2000-01-01'));
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER noted AFTER UPDATE OF day OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION noted();
CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
CREATE TABLE labels (label short PRIMARY KEY);
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
-- script
UPDATE shops SET name = 'c' WHERE id = 1;
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1;
SELECT n.tableoid::regclass, n.nspname FROM pg_catalog.pg_namespace n WHERE nspname = 'public';
SELECT c.relname, c.relkind, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1;
SELECT count(*) FROM pg_proc WHERE pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace);
SELECT c.relname, count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = 'shops' GROUP BY c.oid;
SELECT pg_class.oid = 'shops'::regclass FROM pg_class WHERE relname = 'shops';
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class WHERE relname = 'shops';
SELECT pg_catalog.pg_namespace.nspname FROM pg_catalog.pg_namespace WHERE pg_catalog.pg_namespace.nspname NOT LIKE 'pg_%' ORDER BY pg_catalog.pg_namespace.nspname;
SELECT information_schema.tables.table_name FROM information_schema.tables WHERE information_schema.tables.table_schema = 'public' ORDER BY 1;
SELECT table_name, constraint_name, constraint_type, is_deferrable FROM information_schema.table_constraints WHERE table_schema = 'public' AND constraint_name !~ '^[0-9]' ORDER BY 1, 2;
SELECT constraint_name, table_name, column_name FROM information_schema.constraint_column_usage WHERE table_schema = 'public' ORDER BY 1, 2, 3;
SELECT constraint_name, table_name FROM information_schema.constraint_table_usage WHERE table_schema = 'public' ORDER BY 1, 2;
SELECT constraint_name, unique_constraint_name, delete_rule FROM information_schema.referential_constraints ORDER BY 1;
SELECT constraint_name, check_clause FROM information_schema.check_constraints WHERE constraint_schema = 'public' AND constraint_name !~ '^[0-9]' ORDER BY 1;
SELECT tc.table_name, kcu.column_name, ccu.table_name AS of_table, ccu.column_name AS of_column FROM information_schema.table_constraints AS tc JOIN information_schema.key_column_usage AS kcu ON tc.constraint_name = kcu.constraint_name AND tc.table_schema = kcu.table_schema JOIN information_schema.constraint_column_usage AS ccu ON ccu.constraint_name = tc.constraint_name WHERE tc.constraint_type = 'FOREIGN KEY' ORDER BY 1, 2;
SELECT trigger_name, event_manipulation, event_object_table, action_statement FROM information_schema.triggers ORDER BY 1, 2;
SELECT trigger_name, event_object_column FROM information_schema.triggered_update_columns;
SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = 'public';
SELECT view_name, table_name, column_name FROM information_schema.view_column_usage WHERE view_schema = 'public' ORDER BY 1, 2, 3;
SELECT view_name, table_name FROM information_schema.view_table_usage WHERE view_schema = 'public';
SELECT routine_name, routine_type, routine_definition FROM information_schema.routines WHERE routine_schema = 'public' ORDER BY 1;
SELECT domain_name, table_name, column_name FROM information_schema.column_domain_usage WHERE table_schema = 'public';
SELECT table_name, column_name, udt_name FROM information_schema.column_udt_usage WHERE table_schema = 'public' AND udt_name = 'date';
SELECT xmin IS NOT NULL, relname FROM pg_class WHERE relname = 'shops';
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2;
SELECT schemaname, tablename, hasindexes FROM pg_tables WHERE schemaname <> 'pg_catalog' AND schemaname <> 'information_schema';
SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT tgisinternal AND c.relname <> 'orders';
SELECT count(*) FROM pg_stat_user_tables;
PREPARE p (int) AS SELECT * FROM shops WHERE id = $1;
EXECUTE p(1);
PREPARE q AS INSERT INTO shops VALUES (3, 'x') RETURNING id;
EXECUTE q;
SELECT name, rtrim(statement, ';') AS statement, parameter_types, from_sql FROM pg_prepared_statements WHERE name IN ('p', 'q') ORDER BY name;
SELECT count(*) FROM pg_prepared_statements WHERE name ~ 'pgdraft';
DEALLOCATE p;
SELECT name FROM pg_prepared_statements WHERE name IN ('p', 'q');
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM shops ORDER BY id;
SELECT name, rtrim(statement, ';') AS statement, is_holdable, is_binary FROM pg_cursors WHERE name = 'c';
CLOSE c;
SELECT count(*) FROM pg_cursors WHERE name <> '';
COMMIT;
SELECT count(*), min(datname) = current_database(), min(state) FROM pg_stat_activity WHERE pid = pg_backend_pid();
SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE pid = pg_backend_pid() AND relname = 'd1';
CREATE TEMPORARY TABLE mine AS SELECT 1 AS id;
BEGIN READ ONLY;
SELECT id + 0 AS id FROM mine FOR UPDATE;
COMMIT;
