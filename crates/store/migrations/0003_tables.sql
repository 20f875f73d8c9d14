-- Tables of every kind and their constraints.

-- The fields of a row given as text, each as its type prints it; NULL where it is NULL. PostgreSQL prints a record
-- as (a,"b c",,"") with quotes and backslashes doubled inside quotes.
CREATE FUNCTION pgdraft.fields(image text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(CASE WHEN f.m[1] = '' THEN NULL
                          WHEN f.m[1] LIKE '"%' THEN replace(replace(substr(f.m[1], 2, char_length(f.m[1]) - 2), '""', '"'), '\\', '\')
                          ELSE f.m[1] END ORDER BY f.place)
    FROM regexp_matches(substr(image, 2, char_length(image) - 2) || ',', '("(?:[^"\\]|""|\\\\)*"|[^,"]*),', 'g')
         WITH ORDINALITY f (m, place)
$$;

-- The DETAIL of a row that breaks a constraint, as PostgreSQL writes it: 64 bytes a value.
CREATE FUNCTION pgdraft.failing_row(fields text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    field text;
    cut text;
    shown text[] := '{}';
BEGIN
    FOREACH field IN ARRAY fields LOOP
        cut := field;
        IF octet_length(field) > 64 THEN
            cut := left(field, 64);
            WHILE octet_length(cut) > 64 LOOP
                cut := left(cut, -1);
            END LOOP;
            cut := cut || '...';
        END IF;
        shown := shown || coalesce(cut, 'null');
    END LOOP;
    RETURN 'Failing row contains (' || array_to_string(shown, ', ') || ').';
END $$;

-- Stands in a head's CHECK behind the base's own condition and says what PostgreSQL would: under
-- row-level security, which every head is under, PostgreSQL itself tells no values of a row.
CREATE FUNCTION pgdraft.check_failed(schema_name text, table_name text, constraint_name text, image text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23514',
        MESSAGE = 'new row for relation "' || table_name || '" violates check constraint "' || constraint_name || '"',
        DETAIL = pgdraft.failing_row(pgdraft.fields(image)),
        SCHEMA = schema_name, TABLE = table_name, CONSTRAINT = constraint_name;
END $$;

-- The same for NOT NULL: the first of the required columns that is NULL.
CREATE FUNCTION pgdraft.not_null_failed(schema_name text, table_name text, names text[], required text[], image text)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fields text[] := pgdraft.fields(image);
    missing text;
BEGIN
    SELECT n.name INTO missing FROM unnest(names) WITH ORDINALITY n (name, place)
    WHERE fields[n.place] IS NULL AND n.name = ANY (required) ORDER BY n.place LIMIT 1;
    RAISE EXCEPTION USING ERRCODE = '23502',
        MESSAGE = 'null value in column "' || missing || '" of relation "' || table_name || '" violates not-null constraint',
        DETAIL = pgdraft.failing_row(fields),
        SCHEMA = schema_name, TABLE = table_name, COLUMN = missing;
END $$;

-- The same for a row of a partitioned table that no partition takes.
CREATE FUNCTION pgdraft.no_partition(schema_name text, table_name text, key text, image text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23514',
        MESSAGE = 'no partition of relation "' || table_name || '" found for row',
        DETAIL = 'Partition key of the failing row contains (' || key || ') = '
            || substr(pgdraft.failing_row(pgdraft.fields(image)), char_length('Failing row contains ') + 1),
        SCHEMA = schema_name, TABLE = table_name;
END $$;

REVOKE ALL ON FUNCTION pgdraft.fields(text), pgdraft.failing_row(text[]),
    pgdraft.no_partition(text, text, text, text),
    pgdraft.check_failed(text, text, text, text),
    pgdraft.not_null_failed(text, text, text[], text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.fields(text), pgdraft.failing_row(text[]),
    pgdraft.no_partition(text, text, text, text),
    pgdraft.check_failed(text, text, text, text),
    pgdraft.not_null_failed(text, text, text[], text[], text) TO {{agent}};

-- The number of a row in the head of a table without a key: of one transaction's operation, so no two
-- rows of a session share it. No sequence, which would show in the client's lastval().
CREATE FUNCTION pgdraft.next_row() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number bigint := coalesce(nullif(current_setting('pgdraft.row', true), ''), '0')::bigint + 1;
BEGIN
    PERFORM set_config('pgdraft.row', number::text, true);
    RETURN (current_setting('pgdraft.op')::bigint << 32) + number;
END $$;
REVOKE ALL ON FUNCTION pgdraft.next_row() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.next_row() TO {{agent}};

-- What the head's columns were made from, and why a head could not follow its table.
ALTER TABLE pgdraft.tables
    ADD COLUMN columns jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN stuck text;
