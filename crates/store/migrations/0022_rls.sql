-- PostgreSQL's error for a row that policies do not take: a new one, or (`existing`) one that a change met and
-- may not change. `of_row` is any number of the row's: without one PostgreSQL would ask before there is a row.
CREATE FUNCTION pgdraft.policy_failed(row_kind text, existing boolean, policy_name text, table_name text, of_row integer) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '42501',
        MESSAGE = concat(row_kind, ' row violates row-level security policy ', '"' || policy_name || '" ',
            CASE WHEN existing THEN '(USING expression) ' END, 'for table "', table_name, '"');
END $$;
REVOKE ALL ON FUNCTION pgdraft.policy_failed(text, boolean, text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.policy_failed(text, boolean, text, text, integer) TO {{agent}};
