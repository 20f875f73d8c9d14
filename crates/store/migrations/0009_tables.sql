-- What further kinds of tables need.

-- Heads, logs and what writes them belong to a role of their own, which reads what agents read and can
-- change nothing but drafts. A head has production's CHECK constraints, domains, generated columns and
-- expression indexes: whatever these call runs with the rights of who writes the row, or, where the
-- server itself evaluates them (ANALYZE), of the head's owner. The control role may write production.
GRANT USAGE, CREATE ON SCHEMA pgdraft TO {{keeper}};
GRANT SELECT ON pgdraft.sessions, pgdraft.operations, pgdraft.tables, pgdraft.touched TO {{keeper}};
GRANT SELECT, INSERT, UPDATE, DELETE ON pgdraft.truncations TO {{keeper}};
CREATE POLICY keeper ON pgdraft.truncations TO {{keeper}} USING (true) WITH CHECK (true);
GRANT EXECUTE ON FUNCTION pgdraft.readable(text) TO {{keeper}};

-- Runs statements of the control plane as that role; `operations` is their $1. The number of rows of
-- the last one. A function with its owner's rights, because SET ROLE could be undone by what is called.
CREATE FUNCTION pgdraft.run(statements text, operations bigint[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rows bigint;
BEGIN
    IF operations IS NULL THEN
        EXECUTE statements;
    ELSE
        EXECUTE statements USING operations;
    END IF;
    GET DIAGNOSTICS rows = ROW_COUNT;
    RETURN rows;
END $$;
REVOKE ALL ON FUNCTION pgdraft.run(text, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.run(text, bigint[]) TO {{control}};

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace = 'pgdraft'::regnamespace
          AND (p.proname ~ '^d[0-9]+_' OR p.proname ~ '^diff_' OR p.proname IN ('diff', 'truncate', 'run')) LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %s', name, {{keeper_literal}});
    END LOOP;
    FOR name IN SELECT c.oid::regclass::text FROM pg_class c
        WHERE c.relnamespace = 'pgdraft'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^d[0-9]+(_log|_in)?$' LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %s', name, {{keeper_literal}});
    END LOOP;
END $$;

-- Keys that the configuration names for tables without one, as the last `pgdraft serve` read them: one
-- row a column. Here, so that every process and command sees tables alike.
CREATE TABLE pgdraft.keys (
    schema_name text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    place integer NOT NULL,
    PRIMARY KEY (schema_name, table_name, place)
);
REVOKE ALL ON pgdraft.keys FROM PUBLIC;

-- Raises PostgreSQL's own duplicate key error where an INSERT meets a live row; over a tombstone it
-- returns true, which brings the row back to life. A key without a name is the configuration's: nothing
-- in production says that its values are unique.
CREATE OR REPLACE FUNCTION pgdraft.dup_guard(live boolean, schema_name text, table_name text, constraint_name text, detail text)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF live AND constraint_name = '' THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = 'two rows of table "' || table_name || '" cannot have the same key in a draft',
            DETAIL = coalesce(detail, ''), SCHEMA = schema_name, TABLE = table_name,
            HINT = 'The configuration (tables.key) names it as what tells the rows apart.';
    END IF;
    IF live THEN
        RAISE EXCEPTION USING ERRCODE = '23505',
            MESSAGE = 'duplicate key value violates unique constraint "' || constraint_name || '"',
            DETAIL = coalesce(detail, ''), SCHEMA = schema_name, TABLE = table_name, CONSTRAINT = constraint_name;
    END IF;
    RETURN true;
END $$;

-- Stands in a head's CHECK: a column of such a key is NULL.
CREATE FUNCTION pgdraft.key_missing(schema_name text, table_name text, key text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = 'a row of table "' || table_name || '" cannot be without its key in a draft',
        DETAIL = 'A column of (' || key || ') is NULL.', SCHEMA = schema_name, TABLE = table_name,
        HINT = 'The configuration (tables.key) names it as what tells the rows apart.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.key_missing(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.key_missing(text, text, text) TO {{agent}};

-- Raises what PostgreSQL does for a row that is not one of the partition it is written to.
CREATE FUNCTION pgdraft.outside_partition(schema_name text, table_name text, image text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23514',
        MESSAGE = 'new row for relation "' || table_name || '" violates partition constraint',
        DETAIL = pgdraft.failing_row(pgdraft.fields(image)), SCHEMA = schema_name, TABLE = table_name;
END $$;
REVOKE ALL ON FUNCTION pgdraft.outside_partition(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.outside_partition(text, text, text) TO {{agent}};
