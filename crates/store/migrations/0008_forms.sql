-- What the wider forms of statements need.

-- Raised where a foreign key's action comes to a row that has no key to be known by in a draft.
CREATE FUNCTION pgdraft.keyless_row(schema_name text, table_name text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = format('rows of table "%s" cannot be changed or removed in a draft', table_name),
        DETAIL = format('A foreign key''s action would change rows of %I.%I, which has no primary key and no unique key over NOT NULL columns, so its rows cannot be told apart.', schema_name, table_name),
        HINT = 'Leave the rows that they refer to as they are; or ask for a primary key on this table.',
        SCHEMA = schema_name, TABLE = table_name;
END $$;
REVOKE ALL ON FUNCTION pgdraft.keyless_row(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.keyless_row(text, text) TO {{agent}};
