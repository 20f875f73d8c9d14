-- What a draft answered otherwise than PostgreSQL, once more.

-- Whether COPY FREEZE may go into a table of the session: it was truncated in this transaction. Being immutable
-- it is asked once, as the COPY begins.
CREATE FUNCTION pgdraft.may_freeze(number integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- rows of this transaction's subtransactions are as young as it is; the session has one writer at a time
    IF pg_current_xact_id_if_assigned() IS NULL OR NOT EXISTS (
        SELECT FROM pgdraft.truncations x
        WHERE x.sid = pgdraft.sid() AND x.table_id = number AND age(x.xmin) <= age(pg_current_xact_id_if_assigned()::xid))
    THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction';
    END IF;
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION pgdraft.may_freeze(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.may_freeze(integer) TO {{agent}};
