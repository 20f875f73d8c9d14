-- What agents' statements need besides.

-- The base's columns of a row of a head, each as its type prints it. Ours stand behind them, and no
-- head ever loses a column: it is made anew.
CREATE FUNCTION pgdraft.head_fields(head anyelement) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(f.value ORDER BY f.place)
    FROM unnest(pgdraft.fields(head::text)) WITH ORDINALITY f (value, place)
    JOIN pg_type t ON t.oid = pg_typeof(head)
    JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum = f.place
    WHERE a.attname !~ '^pgdraft_'
$$;

-- What stands in a head's CHECK behind the base's own condition, without the names of all columns:
-- PostgreSQL reads a CHECK from the catalog's text in each statement.
CREATE FUNCTION pgdraft.check_failed(schema_name text, table_name text, constraint_name text, head anyelement) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23514',
        MESSAGE = 'new row for relation "' || table_name || '" violates check constraint "' || constraint_name || '"',
        DETAIL = pgdraft.failing_row(pgdraft.head_fields(head)),
        SCHEMA = schema_name, TABLE = table_name, CONSTRAINT = constraint_name;
END $$;
CREATE FUNCTION pgdraft.not_null_failed(schema_name text, table_name text, required text, head anyelement) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fields text[] := pgdraft.head_fields(head);
    missing text;
BEGIN
    SELECT a.attname INTO missing FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
    WHERE t.oid = pg_typeof(head) AND a.attname = ANY (required::text[]) AND fields[a.attnum] IS NULL
    ORDER BY a.attnum LIMIT 1;
    RAISE EXCEPTION USING ERRCODE = '23502',
        MESSAGE = 'null value in column "' || missing || '" of relation "' || table_name || '" violates not-null constraint',
        DETAIL = pgdraft.failing_row(fields),
        SCHEMA = schema_name, TABLE = table_name, COLUMN = missing;
END $$;
REVOKE ALL ON FUNCTION pgdraft.head_fields(anyelement), pgdraft.check_failed(text, text, text, anyelement),
    pgdraft.not_null_failed(text, text, text, anyelement) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.head_fields(anyelement), pgdraft.check_failed(text, text, text, anyelement),
    pgdraft.not_null_failed(text, text, text, anyelement) TO {{agent}};

-- An operation begins with each transaction that changes something, and PostgreSQL reads the text of this
-- condition anew each time, for 12 us of 70; only functions and statements of ours write it.
ALTER TABLE pgdraft.operations DROP CONSTRAINT operations_state_check;

-- Notes the tables that a session writes to for the first time. One that production dropped since the
-- statement was planned is none: another one may have its name.
CREATE FUNCTION pgdraft.touch(own_sid bigint, tables integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone text;
BEGIN
    SELECT format('%I.%I', t.schema_name, t.table_name) INTO gone
    FROM pgdraft.tables t WHERE t.id = ANY (tables) AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.relid) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD006', MESSAGE = format('table %s was dropped just now', gone),
            HINT = 'Run the statement again.';
    END IF;
    INSERT INTO pgdraft.touched (sid, table_id) SELECT own_sid, t.id FROM unnest(tables) t (id) ON CONFLICT DO NOTHING;
END $$;
REVOKE ALL ON FUNCTION pgdraft.touch(bigint, integer[]) FROM PUBLIC;

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
    told text;
    known boolean;
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
    -- A later statement of the operation that this transaction has begun: who sees its row holds the lock,
    -- so nothing else can have changed. Statements are kept as far as they fit; one that is run again and
    -- again is kept once.
    IF current_setting('pgdraft.op', true) <> '' THEN
        UPDATE pgdraft.operations o SET statement = left(o.statement || E';\n' || coalesce(begin_write.statement, ''), 8192)
        WHERE o.sid = own_sid AND o.op = current_setting('pgdraft.op')::bigint AND o.xid = pg_current_xact_id()
            AND coalesce(o.requested, '') = coalesce(begin_write.operation, '') AND char_length(o.statement) < 8190
            AND right(o.statement, char_length(begin_write.statement)) IS DISTINCT FROM begin_write.statement
        RETURNING o.op, begin_write.tables <@ ARRAY(SELECT t.table_id FROM pgdraft.touched t WHERE t.sid = own_sid AND t.table_id = ANY (begin_write.tables))
        INTO own_op, known;
        IF own_op IS NOT NULL THEN
            IF NOT known THEN
                PERFORM pgdraft.touch(own_sid, tables);
            END IF;
            RETURN own_op;
        END IF;
    END IF;
    -- whoever commits or discards the session holds this lock too
    IF current_setting('pgdraft.by_row', true) = 'on' THEN
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR UPDATE;
    END IF;
    -- all that a write has to know, in one query: this function runs before each statement that is new
    SELECT s.name, s.agent, s.state, s.ended_at, s.ended_by, newest.op, newest.repeat,
           coalesce(newest.requested, '') <> coalesce(begin_write.operation, '') AS differs,
           newest.xid = pg_current_xact_id() AS current, char_length(newest.statement) AS length,
           right(newest.statement, char_length(begin_write.statement)) = begin_write.statement AS repeated,
           tables <@ ARRAY(SELECT t.table_id FROM pgdraft.touched t WHERE t.sid = own_sid AND t.table_id = ANY (begin_write.tables)) AS touched
    INTO session
    FROM pgdraft.sessions s LEFT JOIN LATERAL (
        SELECT o.op, o.repeat, o.requested, o.xid, o.statement
        FROM pgdraft.operations o WHERE o.sid = own_sid ORDER BY o.op DESC LIMIT 1
    ) newest ON true
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

    -- the newest operation of this name, which mostly is the newest of all
    last := session;
    IF session.op IS NOT NULL AND session.differs THEN
        SELECT o.op, o.repeat, o.xid = pg_current_xact_id() AS current, char_length(o.statement) AS length,
               right(o.statement, char_length(begin_write.statement)) = begin_write.statement AS repeated
        INTO last
        FROM pgdraft.operations o
        WHERE o.sid = own_sid AND coalesce(o.requested, '') = coalesce(begin_write.operation, '') ORDER BY o.op DESC LIMIT 1;
    END IF;
    IF last.current THEN
        own_op := last.op;
        IF last.repeated IS NOT TRUE AND last.length < 8190 THEN
            UPDATE pgdraft.operations o SET statement = left(o.statement || E';\n' || coalesce(begin_write.statement, ''), 8192)
            WHERE o.sid = own_sid AND o.op = own_op;
        END IF;
    ELSE
        -- no sequence: it would show in the client's lastval()
        own_op := coalesce(session.op, 0) + 1;
        own_repeat := coalesce(last.repeat, 0);
        LOOP
            own_repeat := own_repeat + 1;
            INSERT INTO pgdraft.operations (sid, op, name, requested, repeat, xid, agent, client_address, statement)
            VALUES (own_sid, own_op,
                    CASE WHEN operation IS NULL THEN 'op-' || own_repeat WHEN own_repeat = 1 THEN operation ELSE operation || '#' || own_repeat END,
                    operation, own_repeat, pg_current_xact_id(), session.agent,
                    nullif(current_setting('pgdraft.client_address', true), ''), left(coalesce(statement, ''), 8192))
            -- a name that is taken; of a number that only an older snapshot does not know: 40001, as for any row
            ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
        END LOOP;
    END IF;

    IF session.touched IS NOT TRUE THEN
        PERFORM pgdraft.touch(own_sid, tables);
    END IF;
    -- assigned, which costs no query
    told := set_config('pgdraft.op', own_op::text, true);
    RETURN own_op;
END $$;

-- Truncates tables in the draft of this backend's session; begin_write came before. `cascades` are
-- the names to be told of. The heads' triggers leave what it does alone: TRUNCATE has no ON DELETE.
CREATE OR REPLACE FUNCTION pgdraft.truncate(tables integer[], cascades text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    own_op bigint := pgdraft.op();
    number integer;
    name text;
    names text;
BEGIN
    IF own_sid = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no session', HINT = 'Connect through pgdraft.';
    END IF;
    FOREACH name IN ARRAY cascades LOOP
        RAISE NOTICE 'truncate cascades to table "%"', name;
    END LOOP;
    PERFORM set_config('pgdraft.truncating', 'on', true);
    FOREACH number IN ARRAY tables LOOP
        -- Not from pg_attribute: the snapshot of this transaction may be older than the log. No name of a
        -- column is that of the row.
        EXECUTE format(
            'SELECT string_agg(quote_ident(k.name), '', '') FROM json_object_keys((
                 SELECT row_to_json(pgdraft_row) FROM (SELECT l.* FROM (SELECT) o LEFT JOIN pgdraft.d%s_log l ON false) pgdraft_row)) k (name)
             WHERE k.name !~ ''^pgdraft_'' OR k.name = ''pgdraft_number''', number)
        INTO names;
        EXECUTE format(
            'INSERT INTO pgdraft.d%1$s_log (pgdraft_sid, pgdraft_op, pgdraft_kind, %2$s)
             SELECT pgdraft_sid, $2, ''D'', %2$s FROM pgdraft.d%1$s WHERE pgdraft_sid = $1 AND pgdraft_live
             ON CONFLICT DO NOTHING', number, names)
        USING own_sid, own_op;
        EXECUTE format(
            'UPDATE pgdraft.d%s SET pgdraft_live = false, pgdraft_moved = false, pgdraft_op = $2
             WHERE pgdraft_sid = $1 AND pgdraft_live', number)
        USING own_sid, own_op;
        -- The locks are looked at after the snapshot was taken, and they tell subtransactions too.
        INSERT INTO pgdraft.truncations (sid, table_id, op, horizon, running)
        SELECT own_sid, number, own_op, pg_snapshot_xmax(s.now)::text::bigint, ARRAY(
            SELECT x.number::text::bigint % 4294967296 FROM pg_snapshot_xip(s.now) x(number)
            UNION
            SELECT l.transactionid::text::bigint FROM pg_locks l
            WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
              AND l.pid IS DISTINCT FROM pg_backend_pid())
        FROM (SELECT pg_current_snapshot() AS now) s
        ON CONFLICT DO NOTHING;
    END LOOP;
    PERFORM set_config('pgdraft.truncating', '', true);
END $$;
