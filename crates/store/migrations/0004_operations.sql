-- Operations and how they depend on each other.

-- An operation that was committed or discarded on its own, while its session stayed open.
ALTER TABLE pgdraft.operations
    ADD COLUMN state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'committed', 'discarded')),
    -- when its last change was logged; kept when the log rows go
    ADD COLUMN last_at timestamptz;

-- A session that was split off another one to be committed.
ALTER TABLE pgdraft.sessions ADD COLUMN part_of bigint REFERENCES pgdraft.sessions ON DELETE CASCADE;
CREATE INDEX sessions_part_of ON pgdraft.sessions (part_of) WHERE part_of IS NOT NULL;

-- Which tables an operation read besides the rows it changed, where its session had changes in them.
CREATE TABLE pgdraft.reads (
    sid bigint NOT NULL REFERENCES pgdraft.sessions ON DELETE CASCADE,
    op bigint NOT NULL,
    table_id integer NOT NULL REFERENCES pgdraft.tables ON DELETE CASCADE,
    PRIMARY KEY (sid, op, table_id)
);

-- Notes that the operation of this transaction read tables in which its session has changes.
CREATE FUNCTION pgdraft.note_reads(tables integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pgdraft.reads (sid, op, table_id)
    SELECT o.sid, o.op, t.id FROM pgdraft.operations o JOIN pgdraft.tables t ON t.id = ANY (note_reads.tables)
    WHERE o.sid = pgdraft.sid() AND o.op = pgdraft.op() AND o.xid = pg_current_xact_id()
    ON CONFLICT DO NOTHING;
END $$;

-- The session of that name, if the caller may read its diff: the agent whose own session it is, by
-- its token; without a token whoever is a member of the control role.
CREATE FUNCTION pgdraft.readable(session text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint;
    found bigint;
BEGIN
    BEGIN
        own_sid := nullif(pgdraft.sid(), 0);
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        own_sid := NULL;  -- never bound to a session
    END;
    IF own_sid IS NULL AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied for the diff of a session',
            HINT = 'Connect through pgdraft as the session''s agent, or use SHOW DIFF as a reviewer.';
    END IF;
    SELECT s.sid INTO found FROM pgdraft.sessions s
    WHERE s.name = session AND (own_sid IS NULL OR s.sid = own_sid);
    IF found IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = format('session "%s" does not exist', session),
            HINT = CASE WHEN own_sid IS NULL THEN 'SHOW SESSIONS lists the sessions there are.'
                        ELSE 'An agent reads the diff of its own session: SHOW pgdraft.session tells its name.' END;
    END IF;
    RETURN found;
END $$;

-- The diff of a session as a relation: the rows of SHOW DIFF, values whole.
CREATE FUNCTION pgdraft.diff(session text)
RETURNS TABLE (operation text, "table" text, diff_type text, primary_key jsonb, "from" jsonb, "to" jsonb, changed_columns text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_sid bigint := pgdraft.readable(session);
    id integer;
BEGIN
    FOR id IN SELECT t.id FROM pgdraft.touched x JOIN pgdraft.tables t ON t.id = x.table_id
        WHERE x.sid = found_sid ORDER BY t.schema_name, t.table_name LOOP
        RETURN QUERY EXECUTE format('SELECT * FROM pgdraft.d%s_diff($1)', id) USING found_sid;
    END LOOP;
END $$;

REVOKE ALL ON pgdraft.reads FROM PUBLIC;
REVOKE ALL ON FUNCTION pgdraft.note_reads(integer[]), pgdraft.readable(text), pgdraft.diff(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.note_reads(integer[]), pgdraft.diff(text) TO {{agent}};
