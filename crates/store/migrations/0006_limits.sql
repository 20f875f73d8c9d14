-- Limits and what several proxies tell each other.

-- Stands in the statement that begins a write, for the case that the connection carries the token of
-- another session than the one that the proxy means: the write must not happen there.
CREATE FUNCTION pgdraft.other_session() RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = 'the connection is bound to another session',
        HINT = 'Connect again and send the statement again.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.other_session() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.other_session() TO {{agent}};
