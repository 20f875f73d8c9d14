-- What binds a backend to its session, and what opens a write.

-- The session that this backend is bound to, as the sequence's value for this backend: the one place
-- of a backend's memory that a role without rights on it can read and cannot set. Row-level security
-- reads it several times a statement; verifying a token each time cost 13 us, this costs 0.7.
-- Unlogged where the server can (15 and later): binding then writes no WAL and takes no transaction id.
DO $$ BEGIN
    EXECUTE 'CREATE ' || CASE WHEN current_setting('server_version_num')::integer >= 150000 THEN 'UNLOGGED ' ELSE '' END
        || 'SEQUENCE pgdraft.bound MINVALUE 0';
END $$;
-- SELECT lets the agents' role read currval(); USAGE or UPDATE would let it choose its session.
REVOKE ALL ON SEQUENCE pgdraft.bound FROM PUBLIC, {{agent}};
GRANT SELECT ON SEQUENCE pgdraft.bound TO {{agent}};

-- Binds this backend to the session that a token proves, or to none (an empty token). The token is
-- `<sid>.<backend pid>.<mac>`; the one that this backend must have for the session it names is made
-- again and compared whole, so nothing of a token is trusted before. It holds until the next one,
-- whatever becomes of the transaction.
CREATE FUNCTION pgdraft.bind(token text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said text := split_part(token, '.', 1) || '.' || pg_backend_pid();
    wanted bigint := 0;
BEGIN
    IF token <> '' THEN
        IF token IS DISTINCT FROM said || '.' || (SELECT encode(sha256(s.key || sha256(s.key || convert_to(said, 'UTF8'))), 'hex') FROM pgdraft.secret s) THEN
            RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = 'bad session token',
                HINT = 'Connect through pgdraft; it binds each connection to its session.';
        END IF;
        wanted := split_part(token, '.', 1)::bigint;
    END IF;
    -- setval() is refused in a read-only transaction, where the same session may be bound again
    IF NOT current_setting('transaction_read_only')::boolean OR pgdraft.sid() <> wanted THEN
        PERFORM setval('pgdraft.bound', wanted);
    END IF;
    RETURN wanted;
END $$;
REVOKE ALL ON FUNCTION pgdraft.bind(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.bind(text) TO {{agent}};

-- The session this backend is bound to: 0 for none, 55000 where it never was. Volatile, so that the
-- planner puts currval() in its place; policies call it in a subselect, once a statement.
CREATE OR REPLACE FUNCTION pgdraft.sid() RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$ SELECT pg_catalog.currval('pgdraft.bound'::pg_catalog.regclass) $$;

-- An operation goes with its session. By a trigger on the side that is hardly ever deleted: the check
-- of a foreign key cost each write 15 us.
ALTER TABLE pgdraft.operations DROP CONSTRAINT operations_sid_fkey;
CREATE FUNCTION pgdraft.forget_operations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM pgdraft.operations o WHERE o.sid = OLD.sid;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.forget_operations() FROM PUBLIC;
CREATE TRIGGER forget_operations AFTER DELETE ON pgdraft.sessions
    FOR EACH ROW EXECUTE FUNCTION pgdraft.forget_operations();

-- A table may get its head after the snapshot of a transaction in REPEATABLE READ that then writes to
-- it: that snapshot knows the head's rows, but no row of pgdraft.tables, and a foreign key would look
-- with the same eyes.
ALTER TABLE pgdraft.touched DROP CONSTRAINT touched_table_id_fkey;
CREATE FUNCTION pgdraft.forget_table() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM pgdraft.touched t WHERE t.table_id = OLD.id;
    DELETE FROM pgdraft.truncations x WHERE x.table_id = OLD.id;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.forget_table() FROM PUBLIC;
CREATE TRIGGER forget_table AFTER DELETE ON pgdraft.tables
    FOR EACH ROW EXECUTE FUNCTION pgdraft.forget_table();

-- The newest operation of a name asked for, or of none: one look-up tells whether it is this
-- transaction's and how often there was one.
DROP INDEX pgdraft.operations_xid, pgdraft.operations_requested;
CREATE INDEX operations_requested ON pgdraft.operations (sid, coalesce(requested, ''), op);

-- Opens a write: one writer of a session at a time, an open session, the operation it belongs to.
-- Sent as a statement of its own before the write, so that the write's snapshot is taken under the lock.
CREATE OR REPLACE FUNCTION pgdraft.begin_write(operation text, statement text, tables integer[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    session record;
    last record;
    own_op bigint;
    own_repeat bigint;
    own_name text;
BEGIN
    IF own_sid = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no session',
            HINT = 'Connect through pgdraft; give the session with options=-c pgdraft.session=<id>.';
    END IF;
    IF operation IS NOT NULL AND char_length(operation) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD005',
            MESSAGE = format('operation id has %s characters', char_length(operation)),
            DETAIL = 'An id has 1 to 200 characters.', HINT = 'Set pgdraft.operation to a shorter id that is not empty.';
    END IF;
    -- whoever commits or discards the session holds this lock too
    PERFORM pg_advisory_xact_lock(pgdraft.session_lock(own_sid));
    SELECT s.name, s.agent, s.state, s.ended_at, s.ended_by INTO session FROM pgdraft.sessions s WHERE s.sid = own_sid;
    IF session.name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no such session',
            HINT = 'Reconnect to start a new session.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- an older snapshot may not know that the session has ended: 40001 then
        PERFORM FROM pgdraft.sessions s WHERE s.sid = own_sid FOR SHARE;
    END IF;
    IF session.state <> 'open' THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD002', MESSAGE = format('session is already %s', session.state),
            DETAIL = format('Session "%s" was %s at %s by %s.', session.name, session.state, session.ended_at, session.ended_by),
            HINT = 'Connect with another session id to start a new draft.';
    END IF;

    SELECT o.op, o.repeat, o.xid = pg_current_xact_id() AS current, char_length(o.statement) AS length,
           right(o.statement, char_length(begin_write.statement)) = begin_write.statement AS repeated INTO last
    FROM pgdraft.operations o
    WHERE o.sid = own_sid AND coalesce(o.requested, '') = coalesce(begin_write.operation, '') ORDER BY o.op DESC LIMIT 1;
    IF last.current THEN
        own_op := last.op;
        -- Later statements of the same operation are kept too, as far as they fit; one that is run
        -- again and again is kept once.
        IF last.repeated IS NOT TRUE AND last.length < 8190 THEN
            UPDATE pgdraft.operations o SET statement = left(o.statement || E';\n' || coalesce(begin_write.statement, ''), 8192)
            WHERE o.sid = own_sid AND o.op = own_op;
        END IF;
    ELSE
        -- no sequence: it would show in the client's lastval()
        SELECT coalesce(max(o.op), 0) + 1 INTO own_op FROM pgdraft.operations o WHERE o.sid = own_sid;
        own_repeat := coalesce(last.repeat, 0);
        LOOP
            own_repeat := own_repeat + 1;
            own_name := CASE WHEN operation IS NULL THEN 'op-' || own_repeat
                             WHEN own_repeat = 1 THEN operation
                             ELSE operation || '#' || own_repeat END;
            EXIT WHEN NOT EXISTS (SELECT FROM pgdraft.operations o WHERE o.sid = own_sid AND o.name = own_name);
        END LOOP;
        INSERT INTO pgdraft.operations (sid, op, name, requested, repeat, xid, agent, client_address, statement)
        VALUES (own_sid, own_op, own_name, operation, own_repeat, pg_current_xact_id(), session.agent,
                nullif(current_setting('pgdraft.client_address', true), ''), left(coalesce(statement, ''), 8192))
        -- a number that only an older snapshot does not know of: 40001 then, as for any row
        ON CONFLICT DO NOTHING;
    END IF;

    IF (SELECT count(*) FROM pgdraft.touched t WHERE t.sid = own_sid AND t.table_id = ANY (tables)) < cardinality(tables) THEN
        INSERT INTO pgdraft.touched (sid, table_id) SELECT own_sid, t.id FROM unnest(tables) t (id) ON CONFLICT DO NOTHING;
    END IF;
    PERFORM set_config('pgdraft.op', own_op::text, true);
    RETURN own_op;
END $$;

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

-- Raised where PostgreSQL's choice among the rows of one INSERT ... ON CONFLICT DO NOTHING cannot be told.
CREATE FUNCTION pgdraft.entangled() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = 'rows of this INSERT exclude each other through several unique keys',
        DETAIL = 'A proposed row has the key of another that conflicts itself, so what is inserted depends on their order.',
        HINT = 'Insert the rows one by one, or name the key: ON CONFLICT (column) DO NOTHING.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.entangled() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.entangled() TO {{agent}};
