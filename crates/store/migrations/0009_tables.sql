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
