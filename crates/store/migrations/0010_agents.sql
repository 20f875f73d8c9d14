-- What keeps agents from each other, and limits them.

-- The locks of a session: a row that never changes. Agents have no right on the table, so nobody can
-- hold them but by these functions and for a session of its own; an advisory lock is anybody's to take.
-- FOR UPDATE: the one that writes, commits or discards; KEY SHARE: those who lock rows one by one, of
-- whom one at a time writes, FOR NO KEY UPDATE.
CREATE TABLE pgdraft.locks (sid bigint PRIMARY KEY);
REVOKE ALL ON pgdraft.locks FROM PUBLIC;
INSERT INTO pgdraft.locks (sid) SELECT s.sid FROM pgdraft.sessions s;
CREATE FUNCTION pgdraft.follow_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO pgdraft.locks (sid) VALUES (NEW.sid);
    ELSE
        DELETE FROM pgdraft.locks l WHERE l.sid = OLD.sid;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.follow_session() FROM PUBLIC;
CREATE TRIGGER follow_session AFTER INSERT OR DELETE ON pgdraft.sessions
    FOR EACH ROW EXECUTE FUNCTION pgdraft.follow_session();

-- Opens a write: one writer of a session at a time, an open session, the operation it belongs to.
-- Sent as a statement of its own before the write, so that the write's snapshot is taken under the lock.
CREATE OR REPLACE FUNCTION pgdraft.begin_write(operation text, statement text, tables integer[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    session record;
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
    IF current_setting('pgdraft.by_row', true) = 'on' THEN
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR UPDATE;
    END IF;
    -- all that a write has to know, in one query: this function runs before each statement that is new
    SELECT s.name, s.agent, s.state, s.ended_at, s.ended_by, last.*,
           (SELECT count(*) FROM pgdraft.touched t WHERE t.sid = own_sid AND t.table_id = ANY (tables)) < cardinality(tables) AS touches
    INTO session
    FROM pgdraft.sessions s LEFT JOIN LATERAL (
        SELECT o.op, o.repeat, o.xid = pg_current_xact_id() AS current, char_length(o.statement) AS length,
               right(o.statement, char_length(begin_write.statement)) = begin_write.statement AS repeated
        FROM pgdraft.operations o
        WHERE o.sid = own_sid AND coalesce(o.requested, '') = coalesce(begin_write.operation, '') ORDER BY o.op DESC LIMIT 1
    ) last ON true
    WHERE s.sid = own_sid;
    IF session.name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no such session',
            HINT = 'Reconnect to start a new session.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- an older snapshot may not know that the session has ended: 40001 then
        PERFORM FROM pgdraft.sessions s WHERE s.sid = own_sid FOR SHARE;
    END IF;
    IF session.state = 'proposed' THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD002', MESSAGE = 'session is proposed',
            DETAIL = format('Session "%s" waits for review; nothing is added to what a person decides on.', session.name),
            HINT = format('Take the proposal back to go on: REOPEN SESSION %L.', session.name);
    ELSIF session.state <> 'open' THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD002', MESSAGE = format('session is already %s', session.state),
            DETAIL = format('Session "%s" was %s at %s by %s.', session.name, session.state, session.ended_at, session.ended_by),
            HINT = 'Connect with another session id to start a new draft.';
    END IF;

    IF session.current THEN
        own_op := session.op;
        -- Later statements of the same operation are kept too, as far as they fit; one that is run
        -- again and again is kept once.
        IF session.repeated IS NOT TRUE AND session.length < 8190 THEN
            UPDATE pgdraft.operations o SET statement = left(o.statement || E';\n' || coalesce(begin_write.statement, ''), 8192)
            WHERE o.sid = own_sid AND o.op = own_op;
        END IF;
    ELSE
        -- no sequence: it would show in the client's lastval()
        SELECT coalesce(max(o.op), 0) + 1 INTO own_op FROM pgdraft.operations o WHERE o.sid = own_sid;
        own_repeat := coalesce(session.repeat, 0);
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

    IF session.touches THEN
        INSERT INTO pgdraft.touched (sid, table_id) SELECT own_sid, t.id FROM unnest(tables) t (id) ON CONFLICT DO NOTHING;
    END IF;
    -- assigned, which costs no query
    own_name := set_config('pgdraft.op', own_op::text, true);
    RETURN own_op;
END $$;


-- Takes the lock of a write for a read under FOR UPDATE: other writers of the session wait until this
-- transaction ends. Under NOWAIT of a relation another writer is an error.
CREATE FUNCTION pgdraft.lock_session(now text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    IF now IS NOT NULL THEN
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('could not obtain lock on row in relation "%s"', now);
        END IF;
    ELSIF current_setting('pgdraft.by_row', true) = 'on' THEN
        -- those who lock row by row would wait for each other in a circle
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR UPDATE;
    END IF;
END $$;

-- The same for SKIP LOCKED and NOWAIT, which lock rows one by one: others who do so go on, and other
-- writers, of whom nobody knows which rows they are at, are waited for.
CREATE FUNCTION pgdraft.lock_rows(now text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    IF now IS NULL THEN
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR KEY SHARE;
    ELSE
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR KEY SHARE SKIP LOCKED;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('could not obtain lock on row in relation "%s"', now);
        END IF;
    END IF;
    PERFORM set_config('pgdraft.by_row', 'on', true);
END $$;

-- Locks a row of the session that a SELECT came to, by its key's text, until the end of the transaction.
-- False where another transaction has it, or has changed it since the SELECT began (then its head is of
-- another operation than the one seen); an error for NOWAIT of `relation`.
CREATE FUNCTION pgdraft.hold_row(head integer, names text[], key text[], seen bigint, relation text) RETURNS boolean
LANGUAGE plpgsql VOLATILE COST 10000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held integer := coalesce(nullif(current_setting('pgdraft.held', true), ''), '0')::integer;
    present bigint;
BEGIN
    IF held >= 1000 THEN
        RAISE EXCEPTION USING ERRCODE = '53400', MESSAGE = 'too many rows locked one by one',
            DETAIL = 'A transaction locks up to 1000 rows by SKIP LOCKED or NOWAIT in a draft, because all connections of the server share one table of locks.',
            HINT = 'Add a LIMIT, or leave out SKIP LOCKED or NOWAIT.';
    END IF;
    IF pg_try_advisory_xact_lock(pgdraft.row_key(head, key)) THEN
        PERFORM set_config('pgdraft.held', (held + 1)::text, true);
        EXECUTE (SELECT format('SELECT h.pgdraft_op FROM pgdraft.d%s h WHERE ', head)
                        || string_agg(format('h.%I = %L', k.name, k.value), ' AND ')
                 FROM unnest(names, key) k (name, value)) INTO present;
        IF present IS NOT DISTINCT FROM seen THEN
            RETURN true;
        END IF;
    END IF;
    IF relation IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('could not obtain lock on row in relation "%s"', relation);
    END IF;
    RETURN false;
END $$;

DROP FUNCTION pgdraft.lock_session();
DROP FUNCTION pgdraft.lock_session_now(text);
DROP FUNCTION pgdraft.session_lock(bigint);

-- A client's own advisory locks. Their keys are its session's: a lock that production's programs, or
-- pgdraft, or another agent would wait for cannot be taken, and two drafts do not wait for each other
-- any more than two copies of the database would.
CREATE FUNCTION pgdraft.advisory_key(client_key text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    IF own_sid = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no session', HINT = 'Connect through pgdraft.';
    END IF;
    RETURN (SELECT ('x' || left(encode(sha256(s.key || convert_to('advisory ' || own_sid || ' ' || client_key, 'UTF8')), 'hex'), 16))::bit(64)::bigint
            FROM pgdraft.secret s);
END $$;

-- The locks of the whole server have one table of limited size: who fills it stops production.
CREATE FUNCTION pgdraft.advisory_room() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT count(*) FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'advisory') >= 200 THEN
        RAISE EXCEPTION USING ERRCODE = '53400', MESSAGE = 'too many advisory locks',
            DETAIL = 'A connection holds up to 200 of them, because all connections of the server share one table of locks.',
            HINT = 'Release some, or let one lock stand for many things.';
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.advisory_key(text), pgdraft.advisory_room() FROM PUBLIC;

-- The key of the lock on a row.
CREATE FUNCTION pgdraft.row_key(head integer, key text[]) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT pgdraft.advisory_key(concat('row ', head, ' ', key)) $$;
REVOKE ALL ON FUNCTION pgdraft.lock_session(text), pgdraft.lock_rows(text), pgdraft.row_key(integer, text[]),
    pgdraft.hold_row(integer, text[], text[], bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.lock_session(text), pgdraft.lock_rows(text), pgdraft.row_key(integer, text[]),
    pgdraft.hold_row(integer, text[], text[], bigint, text) TO {{agent}};

DO $$
DECLARE
    name text;
    result text;
    parameters text[];
BEGIN
    FOR name, result IN SELECT p.proname::text, p.prorettype::regtype::text FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_' AND p.pronargs = 1 LOOP
        FOREACH parameters SLICE 1 IN ARRAY ARRAY[['key bigint', '1 || '' '' || key'], ['key1 integer, key2 integer', '2 || '' '' || key1 || '' '' || key2']] LOOP
            EXECUTE pg_catalog.format(
                'CREATE FUNCTION pgdraft.%I(%s) RETURNS %s LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
                 BEGIN %s %s pg_catalog.%I(pgdraft.advisory_key(%s)); END $f$',
                name, parameters[1], result,
                CASE WHEN name LIKE '%unlock%' THEN '' ELSE 'PERFORM pgdraft.advisory_room();' END,
                CASE WHEN result = 'void' THEN 'PERFORM' ELSE 'RETURN' END,
                name, parameters[2]);
            EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION pgdraft.%I(%s) FROM PUBLIC', name, parameters[1]);
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION pgdraft.%I(%s) TO %s', name, parameters[1], {{agent_literal}});
        END LOOP;
    END LOOP;
END $$;

-- Live sessions of an agent, for the bound on them.
CREATE INDEX sessions_live ON pgdraft.sessions (agent) WHERE state IN ('open', 'proposed');

-- Rows that a session has changed, each once an operation. Counted only while there is a bound on them,
-- and from the log where a session has no row here yet.
CREATE TABLE pgdraft.changes (
    sid bigint PRIMARY KEY,
    changes bigint NOT NULL
) WITH (fillfactor = 50);
REVOKE ALL ON pgdraft.changes FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON pgdraft.changes TO {{keeper}};

-- Counts what a statement wrote to a log, and ends it where the session then has more than the bound
-- that its connection was told when it was bound.
CREATE FUNCTION pgdraft.count_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    most bigint := current_setting('pgdraft.changes_max')::bigint;
    added bigint := (SELECT count(*) FROM pgdraft_n);
    total bigint := 0;
    part bigint;
    number integer;
BEGIN
    IF added = 0 THEN
        RETURN NULL;
    END IF;
    UPDATE pgdraft.changes c SET changes = c.changes + added WHERE c.sid = own_sid RETURNING c.changes INTO total;
    IF NOT FOUND THEN
        total := 0;
        FOR number IN SELECT t.table_id FROM pgdraft.touched t WHERE t.sid = own_sid LOOP
            EXECUTE format('SELECT count(*) FROM pgdraft.d%s_log WHERE pgdraft_sid = $1', number) INTO part USING own_sid;
            total := total + part;
        END LOOP;
        INSERT INTO pgdraft.changes (sid, changes) VALUES (own_sid, total);
    END IF;
    IF total > most THEN
        RAISE EXCEPTION USING ERRCODE = '53400', MESSAGE = 'the session changes too many rows',
            DETAIL = format('With this statement it would have %s changes; a session may have %s.', total, most),
            HINT = 'Have the draft committed and go on in another session, or ask the administrator to raise limits.changes_per_session.';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.count_changes() FROM PUBLIC;
ALTER FUNCTION pgdraft.count_changes() OWNER TO {{keeper}};

-- Operations that go, end or move to another session take their changes with them: they are counted anew.
CREATE FUNCTION pgdraft.count_anew() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM pgdraft.changes c WHERE c.sid = OLD.sid;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.count_anew() FROM PUBLIC;
CREATE TRIGGER count_anew AFTER DELETE OR UPDATE OF sid, state ON pgdraft.operations
    FOR EACH ROW EXECUTE FUNCTION pgdraft.count_anew();

-- Tables that are drafted already; others get it with their log.
DO $$
DECLARE
    number integer;
BEGIN
    FOR number IN SELECT t.id FROM pgdraft.tables t LOOP
        PERFORM pgdraft.run(format(
            'CREATE TRIGGER pgdraft_count AFTER INSERT ON pgdraft.d%s_log REFERENCING NEW TABLE AS pgdraft_n FOR EACH STATEMENT '
            'WHEN (pg_catalog.current_setting(''pgdraft.changes_max'', true) <> '''' AND pg_catalog.current_setting(''pgdraft.op'', true) <> '''') '
            'EXECUTE FUNCTION pgdraft.count_changes()', number), NULL);
    END LOOP;
END $$;

-- COPY … WHERE reads the columns that it names. No row of an inlet is ever committed, so there is
-- nothing in it to be read.
DO $$
DECLARE
    inlet text;
BEGIN
    FOR inlet IN SELECT format('pgdraft.d%s_in', t.id) FROM pgdraft.tables t WHERE to_regclass(format('pgdraft.d%s_in', t.id)) IS NOT NULL LOOP
        EXECUTE format('GRANT SELECT ON %s TO %s', inlet, {{agent_literal}});
    END LOOP;
END $$;
