-- Sequences that a session has restarted or set. Production's are not moved by a draft but to draw from
-- them: such a session has one of its own in the place of each, until a commit takes its state over.
CREATE TABLE pgdraft.sequences (
    sid bigint NOT NULL REFERENCES pgdraft.sessions ON DELETE CASCADE,
    -- production's sequence, and the session's own
    base oid NOT NULL,
    number integer NOT NULL,
    own oid NOT NULL,
    op bigint NOT NULL,
    -- TRUNCATE … RESTART IDENTITY; otherwise setval
    restarted boolean NOT NULL,
    PRIMARY KEY (sid, base, number)
);
REVOKE ALL ON pgdraft.sequences FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgdraft.sequences TO {{keeper}};

-- What the session has changed, by whatever process: that it has sequences of its own as well.
CREATE OR REPLACE FUNCTION pgdraft.draft_mark() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    RETURN concat(
        (SELECT string_agg(t.table_id::text, ',' ORDER BY t.table_id) FROM pgdraft.touched t WHERE t.sid = own_sid), '/',
        (SELECT string_agg(x.table_id || ':' || x.op, ',' ORDER BY x.table_id, x.op) FROM pgdraft.truncations x WHERE x.sid = own_sid), '/',
        EXISTS (SELECT FROM pgdraft.sequences q WHERE q.sid = own_sid));
END $$;

-- The newest of a session's own sequences; an older one is what a REWIND comes back to.
CREATE FUNCTION pgdraft.own_sequence(own_sid bigint, sequence oid) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.own FROM pgdraft.sequences s WHERE s.sid = own_sid AND s.base = sequence ORDER BY s.number DESC LIMIT 1
$$;
REVOKE ALL ON FUNCTION pgdraft.own_sequence(bigint, oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.own_sequence(bigint, oid) TO {{keeper}};

-- What an agent's own rights are: a function with its owner's rights asks in its place.
CREATE FUNCTION pgdraft.may_draw(sequence oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_sequence_privilege(session_user, sequence, 'USAGE, UPDATE') THEN
        RAISE EXCEPTION USING ERRCODE = '42501',
            MESSAGE = format('permission denied for sequence %s', (SELECT c.relname FROM pg_class c WHERE c.oid = sequence));
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.may_draw(oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.may_draw(oid) TO {{keeper}};

-- Makes one, a sequence as any other: what it gives out is not given back by a rollback, but the restart is.
CREATE FUNCTION pgdraft.make_sequence(own_sid bigint, own_op bigint, sequence oid, restarted boolean) RETURNS oid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := format('s%s_%s', own_sid, replace(gen_random_uuid()::text, '-', ''));
    made oid;
BEGIN
    IF NOT EXISTS (SELECT FROM pgdraft.sessions s WHERE s.sid = own_sid AND s.state = 'open') THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD002', MESSAGE = 'session is not open',
            HINT = 'Connect with another session id to start a new draft.';
    END IF;
    -- each is an entry in production's catalog
    IF (SELECT count(*) FROM pgdraft.sequences s WHERE s.sid = own_sid) >= 1000 THEN
        RAISE EXCEPTION USING ERRCODE = '53400', MESSAGE = 'too many sequences of the session''s own',
            DETAIL = 'A session restarts and sets sequences up to 1000 times.',
            HINT = 'Use TRUNCATE … CONTINUE IDENTITY, or go on in another session.';
    END IF;
    EXECUTE (
        SELECT format('CREATE SEQUENCE pgdraft.%I AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s %s', name,
            format_type(q.seqtypid, NULL), q.seqincrement, q.seqmin, q.seqmax, q.seqstart, q.seqcache,
            CASE WHEN q.seqcycle THEN 'CYCLE' ELSE '' END)
        FROM pg_sequence q WHERE q.seqrelid = sequence);
    made := to_regclass('pgdraft.' || quote_ident(name));
    INSERT INTO pgdraft.sequences (sid, base, number, own, op, restarted)
    SELECT own_sid, sequence, coalesce(max(s.number), 0) + 1, made, own_op, make_sequence.restarted
    FROM pgdraft.sequences s WHERE s.sid = own_sid AND s.base = sequence;
    -- the defaults of the rest of this transaction
    PERFORM set_config('pgdraft.restarted', 'on', true);
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION pgdraft.make_sequence(bigint, bigint, oid, boolean) FROM PUBLIC;

CREATE FUNCTION pgdraft.drop_sequence() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_class c WHERE c.oid = OLD.own AND c.relkind = 'S' AND c.relnamespace = 'pgdraft'::regnamespace) THEN
        EXECUTE format('DROP SEQUENCE %s', OLD.own::regclass);
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.drop_sequence() FROM PUBLIC;
CREATE TRIGGER pgdraft_drop AFTER DELETE ON pgdraft.sequences FOR EACH ROW EXECUTE FUNCTION pgdraft.drop_sequence();

-- The next number of the session's own sequence; NULL where it has none.
CREATE FUNCTION pgdraft.own_nextval(sequence regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own oid := pgdraft.own_sequence(pgdraft.sid(), sequence);
    message text;
BEGIN
    IF own IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pgdraft.may_draw(sequence);
    RETURN nextval(own);
EXCEPTION WHEN sequence_generator_limit_exceeded THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
    RAISE EXCEPTION USING ERRCODE = '2200H',
        MESSAGE = replace(message, quote_ident((SELECT c.relname FROM pg_class c WHERE c.oid = own)), (SELECT c.relname FROM pg_class c WHERE c.oid = sequence));
END $$;
CREATE FUNCTION pgdraft.nextval(sequence regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN coalesce(pgdraft.own_nextval(sequence), pg_catalog.nextval(sequence));
END $$;

-- In the defaults of heads. PostgreSQL puts the body in its place, so a session without sequences of its
-- own pays for a look at a setting, which begin_write has set.
CREATE FUNCTION pgdraft.next_value(sequence regclass) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN pg_catalog.current_setting('pgdraft.restarted', true) OPERATOR(pg_catalog.=) 'on'
                THEN pgdraft.nextval(sequence) ELSE pg_catalog.nextval(sequence) END
$$;

-- What the connection got last: of the newest of its own sequences that it drew from, else of production's.
CREATE FUNCTION pgdraft.currval(sequence regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one record;
BEGIN
    PERFORM pgdraft.may_draw(sequence) WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = sequence AND c.relkind = 'S');
    FOR one IN SELECT s.own FROM pgdraft.sequences s WHERE s.sid = pgdraft.sid() AND s.base = sequence ORDER BY s.number DESC LOOP
        BEGIN
            RETURN pg_catalog.currval(one.own);
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            NULL;
        END;
    END LOOP;
    RETURN pg_catalog.currval(sequence);
END $$;
CREATE FUNCTION pgdraft.lastval() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pg_catalog.lastval();
END $$;

-- A sequence read as a table.
CREATE FUNCTION pgdraft.sequence(sequence regclass) RETURNS TABLE (last_value bigint, log_cnt bigint, is_called boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pgdraft.may_draw(sequence);
    RETURN QUERY EXECUTE format('SELECT last_value, log_cnt, is_called FROM %s', coalesce(pgdraft.own_sequence(pgdraft.sid(), sequence), sequence)::regclass);
END $$;

-- setval of a sequence of the session's own; begin_write came before.
CREATE FUNCTION pgdraft.setval(sequence regclass, value bigint, called boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    own oid := pgdraft.own_sequence(own_sid, sequence);
    base text := (SELECT c.relname FROM pg_class c WHERE c.oid = sequence AND c.relkind = 'S');
    message text;
BEGIN
    IF own_sid = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no session', HINT = 'Connect through pgdraft.';
    END IF;
    IF base IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('"%s" is not a sequence', (SELECT c.relname FROM pg_class c WHERE c.oid = sequence));
    END IF;
    PERFORM pgdraft.may_draw(sequence);
    IF own IS NULL THEN
        own := pgdraft.make_sequence(own_sid, pgdraft.op(), sequence, false);
    END IF;
    RETURN pg_catalog.setval(own, value, called);
EXCEPTION WHEN numeric_value_out_of_range THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
    RAISE EXCEPTION USING ERRCODE = '22003',
        MESSAGE = regexp_replace(message, '"s[0-9]+_[0-9a-f]{32}"', replace(format('"%s"', base), '\', '\\'));
END $$;
CREATE FUNCTION pgdraft.setval(sequence regclass, value bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT AS $$
BEGIN
    RETURN pgdraft.setval(sequence, value, true);
END $$;
-- RESTART IDENTITY of truncated tables: of the sequences that their columns own, those of partitions too.
CREATE FUNCTION pgdraft.restart(tables integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        WITH RECURSIVE members (id) AS (
            SELECT t.relid FROM pgdraft.tables t WHERE t.id = ANY (tables)
            UNION SELECT i.inhrelid FROM members m JOIN pg_class c ON c.oid = m.id AND c.relkind = 'p' JOIN pg_inherits i ON i.inhparent = m.id
        )
        SELECT DISTINCT s.oid, s.relname, c.relname AS table_name FROM members m JOIN pg_class c ON c.oid = m.id
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = m.id AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' ORDER BY s.oid
    LOOP
        IF NOT pgdraft.may_restart(one.oid) THEN
            RAISE EXCEPTION USING ERRCODE = '0A000',
                MESSAGE = format('sequence "%s" of table "%s" cannot be restarted in a draft', one.relname, one.table_name),
                DETAIL = 'Who installed pgdraft does not own it, so a commit could not restart it in production.',
                HINT = 'Use TRUNCATE … CONTINUE IDENTITY, or ask for pgdraft to be installed by the owner of the table.';
        END IF;
        PERFORM pgdraft.make_sequence(pgdraft.sid(), pgdraft.op(), one.oid, true);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION pgdraft.restart(integer[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.restart(integer[]) TO {{agent}};

-- Where the sequences of a session stand, for its commit and its copies.
CREATE FUNCTION pgdraft.sequence_states(session bigint) RETURNS TABLE (base oid, restarted boolean, last bigint, called boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own oid;
BEGIN
    FOR base, restarted, own IN
        SELECT s.base, bool_or(s.restarted), (array_agg(s.own ORDER BY s.number DESC))[1]
        FROM pgdraft.sequences s JOIN pg_class c ON c.oid = s.base AND c.relkind = 'S'
        WHERE s.sid = session GROUP BY s.base ORDER BY s.base
    LOOP
        EXECUTE format('SELECT last_value, is_called FROM %s', own::regclass) INTO last, called;
        RETURN NEXT;
    END LOOP;
END $$;
-- Gives a session sequences that stand where those of another do.
CREATE FUNCTION pgdraft.copy_sequences(origin bigint, copy bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one record;
    last bigint;
    called boolean;
BEGIN
    FOR one IN SELECT s.* FROM pgdraft.sequences s WHERE s.sid = origin ORDER BY s.base, s.number LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = one.base AND c.relkind = 'S');
        EXECUTE format('SELECT last_value, is_called FROM %s', one.own::regclass) INTO last, called;
        PERFORM setval(pgdraft.make_sequence(copy, one.op, one.base, one.restarted), last, called);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION pgdraft.sequence_states(bigint), pgdraft.copy_sequences(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.sequence_states(bigint), pgdraft.copy_sequences(bigint, bigint) TO {{control}};

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['own_nextval(regclass)', 'nextval(regclass)', 'next_value(regclass)', 'currval(regclass)', 'lastval()',
        'sequence(regclass)', 'setval(regclass, bigint, boolean)', 'setval(regclass, bigint)'] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION pgdraft.%s FROM PUBLIC; GRANT EXECUTE ON FUNCTION pgdraft.%s TO {{agent}}, {{keeper}}', name, name);
    END LOOP;
    -- they read and make what is the keeper's
    FOREACH name IN ARRAY ARRAY['make_sequence(bigint, bigint, oid, boolean)', 'drop_sequence()', 'own_nextval(regclass)', 'currval(regclass)',
        'lastval()', 'sequence(regclass)', 'setval(regclass, bigint, boolean)', 'restart(integer[])', 'sequence_states(bigint)', 'copy_sequences(bigint, bigint)'] LOOP
        EXECUTE format('ALTER FUNCTION pgdraft.%s OWNER TO %s', name, {{keeper_literal}});
    END LOOP;
END $$;

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
           tables <@ ARRAY(SELECT t.table_id FROM pgdraft.touched t WHERE t.sid = own_sid AND t.table_id = ANY (begin_write.tables)) AS touched,
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
    IF session.restarted THEN
        told := set_config('pgdraft.restarted', 'on', true);
    END IF;
    RETURN own_op;
END $$;

-- As in 0013: this belongs to the user that installs, who mostly owns production's sequences. ALTER SEQUENCE
-- takes the restart back with the transaction; setval alone would not. It waits for nobody, because
-- production could be the one that a deadlock fails.
RESET ROLE;
CREATE FUNCTION pgdraft.may_restart(sequence oid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_class c WHERE c.oid = sequence AND c.relkind = 'S' AND pg_has_role(c.relowner, 'USAGE'))
$$;
CREATE FUNCTION pgdraft.move_sequence(sequence oid, restarted boolean, last bigint, called boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    now record;
BEGIN
    IF restarted THEN
        EXECUTE format('ALTER SEQUENCE %s RESTART', sequence::regclass);
        PERFORM setval(sequence, last, called);
        RETURN;
    END IF;
    -- a sequence that was set goes on from there, and never back: production's own numbers are taken
    EXECUTE format('SELECT last_value FROM %s', sequence::regclass) INTO now;
    IF (SELECT CASE WHEN q.seqincrement > 0 THEN last > now.last_value ELSE last < now.last_value END FROM pg_sequence q WHERE q.seqrelid = sequence) THEN
        PERFORM setval(sequence, last, called);
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.may_restart(oid), pgdraft.move_sequence(oid, boolean, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.may_restart(oid) TO {{keeper}};
GRANT EXECUTE ON FUNCTION pgdraft.move_sequence(oid, boolean, bigint, boolean) TO {{control}};
SET LOCAL ROLE {{control}};
