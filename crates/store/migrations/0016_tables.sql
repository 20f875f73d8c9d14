-- What tables of every kind need besides.

-- Rows without a key that a change of a table they are inherited into comes to.
CREATE FUNCTION pgdraft.not_told_apart(schema_name text, table_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000', SCHEMA = schema_name, TABLE = table_name,
        MESSAGE = format('rows of table "%s" cannot be changed or removed in a draft', table_name),
        DETAIL = format('%I.%I has no primary key and no unique key over NOT NULL columns, so its rows cannot be told apart.', schema_name, table_name),
        HINT = 'name the table it inherits from after ONLY, or ask for a primary key or for the columns that tell its rows apart in tables.key of pgdraft''s configuration';
END $$;
REVOKE ALL ON FUNCTION pgdraft.not_told_apart(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.not_told_apart(text, text) TO {{agent}};
