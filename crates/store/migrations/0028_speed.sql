-- What begins a write leaves search_path as it is where nothing is out of the ordinary.

-- Opens a write in all other cases, and says why it cannot be.
CREATE FUNCTION pgdraft.open_write(operation text, statement text, tables integer[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    session record;
    last record;
    own_op bigint;
    own_repeat bigint;
    told text;
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
    -- all that a write has to know, in one query
    SELECT s.name, s.agent, s.state, s.ended_at, s.ended_by, newest.op, newest.repeat,
           coalesce(newest.requested, '') <> coalesce(open_write.operation, '') AS differs,
           newest.xid = pg_current_xact_id() AS current, char_length(newest.statement) AS length,
           right(newest.statement, char_length(open_write.statement)) = open_write.statement AS repeated,
           tables <@ ARRAY(SELECT t.table_id FROM pgdraft.touched t WHERE t.sid = own_sid AND t.table_id = ANY (open_write.tables)) AS touched,
           EXISTS (SELECT FROM pgdraft.sequences q WHERE q.sid = own_sid) AS restarted
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

    -- the newest operation of this name, or without one, which mostly is the newest of all
    last := session;
    IF session.op IS NOT NULL AND session.differs THEN
        IF operation IS NULL THEN
            SELECT o.op INTO own_op FROM pgdraft.operations o WHERE o.sid = own_sid AND o.requested IS NULL ORDER BY o.op DESC LIMIT 1;
        ELSE
            SELECT o.op INTO own_op FROM pgdraft.operations o WHERE o.sid = own_sid AND o.requested = operation ORDER BY o.op DESC LIMIT 1;
        END IF;
        SELECT o.op, o.repeat, o.xid = pg_current_xact_id() AS current, char_length(o.statement) AS length,
               right(o.statement, char_length(open_write.statement)) = open_write.statement AS repeated
        INTO last
        FROM pgdraft.operations o WHERE o.sid = own_sid AND o.op = own_op;
    END IF;
    IF last.current THEN
        own_op := last.op;
        IF last.repeated IS NOT TRUE AND last.length < 8190 THEN
            UPDATE pgdraft.operations o SET statement = left(o.statement || E';\n' || coalesce(open_write.statement, ''), 8192)
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
    IF session.restarted THEN
        told := set_config('pgdraft.restarted', 'on', true);
    END IF;
    RETURN own_op;
END $$;
REVOKE ALL ON FUNCTION pgdraft.open_write(text, text, integer[]) FROM PUBLIC;

-- Opens a write: one writer of a session at a time, an open session, the operation it belongs to. Sent as a
-- statement of its own before the write, so that the write's snapshot is taken under the lock.
--
-- It runs under the client's search_path with the rights of the control role: each type, function and operator
-- has its schema, and nothing stands here whose operator PostgreSQL looks for by its name alone (NULLIF, IN,
-- BETWEEN, IS DISTINCT FROM, CASE with a value). A search_path of its own would be set and reset for each write.
CREATE OR REPLACE FUNCTION pgdraft.begin_write(operation text, statement text, tables integer[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    own_sid pg_catalog.int8 := pgdraft.sid();
    own_op pg_catalog.int8;
    told pg_catalog.text;
    known pg_catalog.bool;
    restarted pg_catalog.bool;
BEGIN
    IF own_sid OPERATOR(pg_catalog.=) 0 OR pg_catalog.char_length(operation) OPERATOR(pg_catalog.<) 1
        OR pg_catalog.char_length(operation) OPERATOR(pg_catalog.>) 200 THEN
        RETURN pgdraft.open_write(operation, statement, tables);
    END IF;
    IF pg_catalog.current_setting('pgdraft.op', true) OPERATOR(pg_catalog.<>) '' THEN
        -- A later statement of the operation that this transaction has begun: who sees its row holds the lock,
        -- so nothing else can have changed. Statements are kept as far as they fit; one that is run again and
        -- again is kept once.
        UPDATE pgdraft.operations AS o
        SET statement = pg_catalog.left(o.statement OPERATOR(pg_catalog.||) E';\n' OPERATOR(pg_catalog.||) coalesce(begin_write.statement, ''), 8192)
        WHERE o.sid OPERATOR(pg_catalog.=) own_sid AND o.op OPERATOR(pg_catalog.=) pg_catalog.current_setting('pgdraft.op')::pg_catalog.int8
            AND o.xid OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id()
            AND coalesce(o.requested, '') OPERATOR(pg_catalog.=) coalesce(begin_write.operation, '')
            AND pg_catalog.char_length(o.statement) OPERATOR(pg_catalog.<) 8190
            AND (pg_catalog.right(o.statement, pg_catalog.char_length(begin_write.statement)) OPERATOR(pg_catalog.=) begin_write.statement) IS NOT TRUE
        RETURNING o.op, begin_write.tables OPERATOR(pg_catalog.<@) ARRAY(
            SELECT t.table_id FROM pgdraft.touched AS t
            WHERE t.sid OPERATOR(pg_catalog.=) own_sid AND t.table_id OPERATOR(pg_catalog.=) ANY (begin_write.tables))
        INTO own_op, known;
        IF own_op IS NOT NULL THEN
            IF NOT known THEN
                PERFORM pgdraft.touch(own_sid, tables);
            END IF;
            RETURN own_op;
        END IF;
    ELSIF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed' THEN
        -- whoever commits or discards the session holds this lock too
        IF pg_catalog.current_setting('pgdraft.by_row', true) OPERATOR(pg_catalog.=) 'on' THEN
            PERFORM FROM pgdraft.locks AS l WHERE l.sid OPERATOR(pg_catalog.=) own_sid FOR NO KEY UPDATE;
        ELSE
            PERFORM FROM pgdraft.locks AS l WHERE l.sid OPERATOR(pg_catalog.=) own_sid FOR UPDATE;
        END IF;
        -- As it mostly is: the session is open, and its newest operation had the same name in another transaction.
        -- Where it finds anything else it adds nothing.
        INSERT INTO pgdraft.operations AS o (sid, op, name, requested, repeat, xid, agent, client_address, statement)
        SELECT own_sid, coalesce(newest.op, 0) OPERATOR(pg_catalog.+) 1,
               coalesce(begin_write.operation OPERATOR(pg_catalog.||) '#', 'op-')
                   OPERATOR(pg_catalog.||) (coalesce(newest.repeat, 0) OPERATOR(pg_catalog.+) 1)::pg_catalog.text,
               begin_write.operation, coalesce(newest.repeat, 0) OPERATOR(pg_catalog.+) 1, pg_catalog.pg_current_xact_id(), s.agent,
               CASE WHEN pg_catalog.current_setting('pgdraft.client_address', true) OPERATOR(pg_catalog.<>) ''
                   THEN pg_catalog.current_setting('pgdraft.client_address', true) END,
               pg_catalog.left(coalesce(begin_write.statement, ''), 8192)
        FROM pgdraft.sessions AS s LEFT JOIN LATERAL (
            SELECT n.op, n.repeat, n.requested, n.xid FROM pgdraft.operations AS n
            WHERE n.sid OPERATOR(pg_catalog.=) own_sid ORDER BY n.op DESC LIMIT 1
        ) AS newest ON true
        WHERE s.sid OPERATOR(pg_catalog.=) own_sid AND s.state OPERATOR(pg_catalog.=) 'open'
            AND (newest.requested OPERATOR(pg_catalog.=) begin_write.operation OR newest.requested IS NULL AND begin_write.operation IS NULL)
            AND (newest.xid OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id()) IS NOT TRUE
        ON CONFLICT DO NOTHING
        RETURNING o.op, begin_write.tables OPERATOR(pg_catalog.<@) ARRAY(
            SELECT t.table_id FROM pgdraft.touched AS t
            WHERE t.sid OPERATOR(pg_catalog.=) own_sid AND t.table_id OPERATOR(pg_catalog.=) ANY (begin_write.tables)),
            EXISTS (SELECT FROM pgdraft.sequences AS q WHERE q.sid OPERATOR(pg_catalog.=) own_sid)
        INTO own_op, known, restarted;
        IF own_op IS NOT NULL THEN
            IF NOT known THEN
                PERFORM pgdraft.touch(own_sid, tables);
            END IF;
            -- assigned, which costs no query
            told := pg_catalog.set_config('pgdraft.op', own_op::pg_catalog.text, true);
            IF restarted THEN
                told := pg_catalog.set_config('pgdraft.restarted', 'on', true);
            END IF;
            RETURN own_op;
        END IF;
    END IF;
    RETURN pgdraft.open_write(operation, statement, tables);
END $$;
