-- What agents' connections need besides.

-- LOCK TABLE. Production's table is locked as a SELECT locks it; from each other, connections of one
-- session are kept by what stands here. Who changes rows holds the session's lock, so a mode that keeps
-- writers out takes it too: shared for SHARE, of which there may be several. Between one LOCK TABLE and
-- another the modes exclude each other as in PostgreSQL, by advisory locks on parts of a table: a mode
-- shares a part, has it alone, or passes through it.
CREATE FUNCTION pgdraft.lock_part(relation oid, part text, how text, now boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key bigint := pgdraft.advisory_key(format('table %s %s', relation, part));
    held boolean := true;
BEGIN
    PERFORM pgdraft.advisory_room();
    CASE how
        WHEN 'shared' THEN
            IF now THEN held := pg_try_advisory_xact_lock_shared(key); ELSE PERFORM pg_advisory_xact_lock_shared(key); END IF;
        WHEN 'alone' THEN
            IF now THEN held := pg_try_advisory_xact_lock(key); ELSE PERFORM pg_advisory_xact_lock(key); END IF;
        WHEN 'through' THEN
            IF now THEN held := pg_try_advisory_lock(key); ELSE PERFORM pg_advisory_lock(key); END IF;
            PERFORM pg_advisory_unlock(key) WHERE held;
    END CASE;
    IF NOT held THEN
        RAISE EXCEPTION USING ERRCODE = '55P03',
            MESSAGE = format('could not obtain lock on relation "%s"', (SELECT c.relname FROM pg_class c WHERE c.oid = relation));
    END IF;
END $$;

CREATE FUNCTION pgdraft.lock_tables(tables regclass[], only_tables regclass[], mode integer, now boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    first oid := coalesce(tables[1], only_tables[1]);
    strength text := CASE WHEN mode = 5 THEN 'SHARE'
                          WHEN current_setting('pgdraft.by_row', true) = 'on' THEN 'NO KEY UPDATE'
                          ELSE 'UPDATE' END;
    held boolean;
BEGIN
    -- a reader cannot lock a row; it changes none either
    IF mode >= 5 AND current_setting('transaction_read_only') = 'off' THEN
        EXECUTE format('SELECT true FROM pgdraft.locks l WHERE l.sid = $1 FOR %s %s', strength, CASE WHEN now THEN 'SKIP LOCKED' END)
        INTO held USING own_sid;
        IF held IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '55P03',
                MESSAGE = format('could not obtain lock on relation "%s"', (SELECT c.relname FROM pg_class c WHERE c.oid = first));
        END IF;
    END IF;
    -- partitions, children, and the tables of a view are locked with it
    PERFORM pgdraft.lock_part(t.id, p.part, p.how, now)
    FROM (WITH RECURSIVE meant (id) AS (
              SELECT m.id::oid FROM unnest(tables) m (id)
              UNION
              SELECT b.id FROM meant m, LATERAL (
                  SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = m.id
                  UNION ALL
                  SELECT d.refobjid FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                  WHERE w.ev_class = m.id AND d.refclassid = 'pg_class'::regclass) b (id))
          SELECT m.id FROM meant m UNION SELECT m.id::oid FROM unnest(only_tables) m (id)
          ORDER BY 1) t,
         (VALUES (2, 'strong', 'shared'),
                 (3, 'strong', 'shared'), (3, 'change', 'shared'), (3, 'write', 'shared'), (3, 'share', 'through'),
                 (4, 'strong', 'shared'), (4, 'change', 'shared'), (4, 'maintain', 'alone'),
                 (5, 'strong', 'shared'), (5, 'change', 'shared'), (5, 'maintain', 'shared'), (5, 'share', 'shared'), (5, 'write', 'through'),
                 (6, 'strong', 'shared'), (6, 'change', 'alone'),
                 (7, 'strong', 'alone'),
                 (8, 'strong', 'alone')) p (mode, part, how)
    WHERE p.mode = lock_tables.mode;
END $$;

-- set_config of a name that the statement's text does not tell. Without a search_path of its own, which
-- would be put back at its end.
CREATE FUNCTION pgdraft.set_config(name text, value text, is_local boolean) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    folded text := pg_catalog.lower(name);
BEGIN
    IF folded OPERATOR(pg_catalog.~) '^pgdraft\.' THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = pg_catalog.format('permission denied to set parameter "%s"', name),
            DETAIL = 'A connection belongs to one session from its start to its end.',
            HINT = 'SET pgdraft.operation = ''…'' begins another operation.';
    ELSIF folded OPERATOR(pg_catalog.=) ANY ('{role,session_authorization,client_encoding,standard_conforming_strings,row_security}') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = pg_catalog.format('parameter "%s" cannot be changed in a draft', folded),
            DETAIL = 'Statements are read as UTF-8 with standard strings, by the role that cannot write production.',
            HINT = 'leave it as it is';
    END IF;
    IF folded OPERATOR(pg_catalog.=) 'restrict_nonsystem_relation_kind' THEN
        -- drafts are read through a view
        folded := 'pgdraft.restrict_nonsystem_relation_kind';
    END IF;
    RETURN pg_catalog.set_config(folded, value, is_local);
END $$;

REVOKE ALL ON FUNCTION pgdraft.lock_part(oid, text, text, boolean), pgdraft.lock_tables(regclass[], regclass[], integer, boolean),
    pgdraft.set_config(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.lock_tables(regclass[], regclass[], integer, boolean),
    pgdraft.set_config(text, text, boolean) TO {{agent}};

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
        -- Later statements of the same operation are kept too, as far as they fit; one that is run
        -- again and again is kept once.
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
        INSERT INTO pgdraft.touched (sid, table_id) SELECT own_sid, t.id FROM unnest(tables) t (id) ON CONFLICT DO NOTHING;
    END IF;
    -- assigned, which costs no query
    told := set_config('pgdraft.op', own_op::text, true);
    RETURN own_op;
END $$;

-- Counts what a statement wrote to a log where there is a bound on it, but not what the control plane
-- moves. With the rights and the search_path of the one who writes, since it runs with each statement.
CREATE FUNCTION pgdraft.count_statement() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.current_setting('pgdraft.changes_max', true) OPERATOR(pg_catalog.<>) ''
        AND pg_catalog.current_setting('pgdraft.op', true) OPERATOR(pg_catalog.<>) '' THEN
        PERFORM pgdraft.count_changes((SELECT pg_catalog.count(*) FROM pgdraft_n));
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.count_statement() FROM PUBLIC;
ALTER FUNCTION pgdraft.count_statement() OWNER TO {{keeper}};

-- Counts changes of the own session, and ends the statement where the session then has more than the
-- bound that its connection was told when it was bound. Who calls it by hand only comes closer to it.
CREATE FUNCTION pgdraft.count_changes(added bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    most bigint := current_setting('pgdraft.changes_max')::bigint;
    total bigint := 0;
    part bigint;
    number integer;
BEGIN
    IF added <= 0 THEN
        RETURN;
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
END $$;
REVOKE ALL ON FUNCTION pgdraft.count_changes(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.count_changes(bigint) TO {{agent}};
ALTER FUNCTION pgdraft.count_changes(bigint) OWNER TO {{keeper}};

DO $$
DECLARE
    number integer;
BEGIN
    FOR number IN SELECT t.id FROM pgdraft.tables t LOOP
        PERFORM pgdraft.run(format(
            'DROP TRIGGER pgdraft_count ON pgdraft.d%s_log; '
            'CREATE TRIGGER pgdraft_count AFTER INSERT ON pgdraft.d%s_log REFERENCING NEW TABLE AS pgdraft_n FOR EACH STATEMENT '
            'EXECUTE FUNCTION pgdraft.count_statement()', number, number), NULL);
    END LOOP;
END $$;
DROP FUNCTION pgdraft.count_changes();
