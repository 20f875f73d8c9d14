-- What opens a write.

-- Raises what PostgreSQL does where one statement comes to a row a second time.
CREATE FUNCTION pgdraft.second_time(command text, hint text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '21000',
        MESSAGE = command || ' command cannot affect row a second time', HINT = hint;
END $$;
REVOKE ALL ON FUNCTION pgdraft.second_time(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.second_time(text, text) TO {{agent}};
