-- Who waits for another connection of its session does not wait for ever.

-- Waits for a lock of the session, as long as pgdraft.writer_wait_ms says. A connection that has written in a
-- transaction and does nothing more, in the thread that waits here perhaps, would be waited for without end.
-- A shorter lock_timeout is the client's own, and so is its error.
CREATE FUNCTION pgdraft.wait_for_writer(own_sid bigint, strength text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    longest integer := coalesce(nullif(current_setting('pgdraft.writer_wait_ms', true), ''), '0')::integer;
    own integer := (SELECT s.setting::integer FROM pg_settings s WHERE s.name = 'lock_timeout');
    wait text := format('SELECT FROM pgdraft.locks l WHERE l.sid = %s FOR %s', own_sid, strength);
    told text;
BEGIN
    IF longest = 0 OR own BETWEEN 1 AND longest THEN
        EXECUTE wait;
        RETURN;
    END IF;
    BEGIN
        told := set_config('lock_timeout', longest::text, true);
        EXECUTE wait;
        told := set_config('lock_timeout', own::text, true);
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = 'another connection of the session has a transaction open that has written',
            DETAIL = format('It was waited for, for %s ms: transactions of one session write one after the other.', longest),
            HINT = 'COMMIT or ROLLBACK there and run this again, or connect with another session id.';
    END;
END $$;

-- Takes the lock of the one that writes.
CREATE FUNCTION pgdraft.hold_session(own_sid bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('pgdraft.by_row', true) = 'on' THEN
        -- those who lock row by row would wait for each other in a circle
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            PERFORM pgdraft.wait_for_writer(own_sid, 'NO KEY UPDATE');
        END IF;
    ELSE
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            PERFORM pgdraft.wait_for_writer(own_sid, 'UPDATE');
        END IF;
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.wait_for_writer(bigint, text), pgdraft.hold_session(bigint) FROM PUBLIC;

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
            PERFORM FROM pgdraft.locks AS l WHERE l.sid OPERATOR(pg_catalog.=) own_sid FOR NO KEY UPDATE SKIP LOCKED;
        ELSE
            PERFORM FROM pgdraft.locks AS l WHERE l.sid OPERATOR(pg_catalog.=) own_sid FOR UPDATE SKIP LOCKED;
        END IF;
        IF NOT FOUND THEN
            PERFORM pgdraft.hold_session(own_sid);
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
    PERFORM pgdraft.hold_session(own_sid);
    RETURN pgdraft.open_write(operation, statement, tables);
END $$;

-- Takes the lock of a write for a read under FOR UPDATE: other writers of the session wait until this
-- transaction ends. Under NOWAIT of a relation another writer is an error.
CREATE OR REPLACE FUNCTION pgdraft.lock_session(now text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    IF now IS NOT NULL THEN
        PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('could not obtain lock on row in relation "%s"', now);
        END IF;
    ELSE
        PERFORM pgdraft.hold_session(own_sid);
    END IF;
END $$;

-- The same for SKIP LOCKED and NOWAIT, which lock rows one by one: others who do so go on, and other
-- writers, of whom nobody knows which rows they are at, are waited for.
CREATE OR REPLACE FUNCTION pgdraft.lock_rows(now text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    PERFORM FROM pgdraft.locks l WHERE l.sid = own_sid FOR KEY SHARE SKIP LOCKED;
    IF NOT FOUND THEN
        IF now IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('could not obtain lock on row in relation "%s"', now);
        END IF;
        PERFORM pgdraft.wait_for_writer(own_sid, 'KEY SHARE');
    END IF;
    PERFORM set_config('pgdraft.by_row', 'on', true);
END $$;

CREATE OR REPLACE FUNCTION pgdraft.lock_tables(tables regclass[], only_tables regclass[], mode integer, now boolean) RETURNS void
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
        EXECUTE format('SELECT true FROM pgdraft.locks l WHERE l.sid = $1 FOR %s SKIP LOCKED', strength)
        INTO held USING own_sid;
        IF held IS NULL AND NOT now THEN
            PERFORM pgdraft.wait_for_writer(own_sid, strength);
        ELSIF held IS NULL THEN
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
