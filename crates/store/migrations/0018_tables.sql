-- Constraints of tables of every kind.

-- The partition under `root` that holds a row with these values, given as text: PostgreSQL's errors name it. The
-- conditions are looked at one by one, here and not in each statement, because only an error needs them.
CREATE FUNCTION pgdraft.leaf(root oid, names text[], row_values text[]) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fields text;
    part record;
    holds boolean;
BEGIN
    SELECT string_agg(format('%L::%s AS %I', f.value, format_type(a.atttypid, a.atttypmod), a.attname), ', ' ORDER BY a.attnum)
    INTO fields
    FROM unnest(names, row_values) f (name, value) JOIN pg_attribute a ON a.attrelid = root AND a.attname = f.name;
    FOR part IN SELECT t.relid, pg_get_partition_constraintdef(t.relid) AS bound FROM pg_partition_tree(root) t WHERE t.isleaf LOOP
        EXECUTE format('SELECT %s FROM (SELECT %s) pgdraft_row', coalesce(part.bound, 'true'), fields) INTO holds;
        IF holds THEN
            RETURN part.relid;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- What PostgreSQL calls the table and the constraint of such a row: those of the partition. `reference` is the
-- foreign key of that name, as child or as parent; without one the constraint is a key.
CREATE FUNCTION pgdraft.placed(INOUT schema_name text, INOUT table_name text, INOUT constraint_name text, reference oid, names text[], row_values text[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root oid;
    part record;
    own text;
BEGIN
    SELECT c.oid INTO root FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = schema_name AND c.relname = table_name;
    SELECT c.oid, c.relname, n.nspname INTO part FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = pgdraft.leaf(root, names, row_values);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF reference IS NULL THEN
        SELECT ic.relname INTO own FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
        WHERE i.indrelid = part.oid AND EXISTS (
            SELECT FROM pg_partition_ancestors(i.indexrelid) a JOIN pg_class r ON r.oid = a.relid
            WHERE r.relname = constraint_name);
    ELSE
        WITH RECURSIVE whole AS (SELECT f.conrelid, f.confrelid FROM pg_constraint f WHERE f.oid = reference),
        own_of AS (SELECT reference AS oid UNION ALL SELECT f.oid FROM own_of o JOIN pg_constraint f ON f.conparentid = o.oid)
        SELECT f.conname INTO own FROM own_of JOIN pg_constraint f USING (oid) CROSS JOIN whole
        WHERE (f.conrelid, f.confrelid) IN ((part.oid, whole.confrelid), (whole.conrelid, part.oid));
    END IF;
    schema_name := part.nspname;
    table_name := part.relname;
    constraint_name := coalesce(own, constraint_name);
END $$;

-- pgdraft.dup_guard for a row of a partitioned table.
CREATE FUNCTION pgdraft.dup_guard(live boolean, schema_name text, table_name text, constraint_name text, detail text, names text[], row_values text[])
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at record;
BEGIN
    IF NOT live THEN
        RETURN true;
    END IF;
    SELECT * INTO at FROM pgdraft.placed(schema_name, table_name, constraint_name, NULL, names, row_values);
    RETURN pgdraft.dup_guard(live, at.schema_name, at.table_name, at.constraint_name, detail);
END $$;

REVOKE ALL ON FUNCTION pgdraft.leaf(oid, text[], text[]),
    pgdraft.placed(text, text, text, oid, text[], text[]),
    pgdraft.dup_guard(boolean, text, text, text, text, text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.leaf(oid, text[], text[]),
    pgdraft.placed(text, text, text, oid, text[], text[]),
    pgdraft.dup_guard(boolean, text, text, text, text, text[], text[]) TO {{agent}}, {{keeper}};
GRANT EXECUTE ON FUNCTION pgdraft.fields(text), pgdraft.dup_guard(boolean, text, text, text, text) TO {{keeper}};
