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

-- What the session has changed, as one text: the same while it is the same. A proxy that is not alone
-- asks before each statement.
CREATE FUNCTION pgdraft.draft_mark() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    RETURN concat(
        (SELECT string_agg(t.table_id::text, ',' ORDER BY t.table_id) FROM pgdraft.touched t WHERE t.sid = own_sid), '/',
        (SELECT string_agg(x.table_id || ':' || x.op, ',' ORDER BY x.table_id, x.op) FROM pgdraft.truncations x WHERE x.sid = own_sid));
END $$;
REVOKE ALL ON FUNCTION pgdraft.draft_mark() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.draft_mark() TO {{agent}};

-- Cancel requests for the process that gave the key, which is known by its SHA-256.
CREATE TABLE pgdraft.cancels (
    pid integer NOT NULL,
    digest bytea NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pid, digest)
);
REVOKE ALL ON pgdraft.cancels FROM PUBLIC;
