-- What opens a write.

-- Raises what PostgreSQL does where one statement comes to a row a second time.
CREATE FUNCTION pgdraft.second_time(command text, hint text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '21000',
        MESSAGE = command || ' command cannot affect row a second time', HINT = hint;
END $$;
-- Raises what PostgreSQL does for a row that WITH CHECK OPTION of a view does not take.
CREATE FUNCTION pgdraft.outside_view(view_name text, failing text[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '44000',
        MESSAGE = 'new row violates check option for view "' || view_name || '"',
        DETAIL = 'Failing row contains (' || (
            SELECT string_agg(CASE WHEN octet_length(v) > 64 THEN left(v, 64) || '...' ELSE coalesce(v, 'null') END, ', ' ORDER BY n)
            FROM unnest(failing) WITH ORDINALITY u (v, n)) || ').';
END $$;
REVOKE ALL ON FUNCTION pgdraft.outside_view(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.outside_view(text, text[]) TO {{agent}};
REVOKE ALL ON FUNCTION pgdraft.second_time(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.second_time(text, text) TO {{agent}};
