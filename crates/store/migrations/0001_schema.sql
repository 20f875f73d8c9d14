-- The tables and functions of pgdraft. Runs as the control role, which owns all of it.

CREATE TABLE pgdraft.migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- One row: what session tokens and the agent role's password are derived from. It is made here,
-- inside the server, and never leaves it but to the control role.
CREATE TABLE pgdraft.secret (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    key bytea NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO pgdraft.secret (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE pgdraft.sessions (
    sid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 200),
    agent text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'committed', 'discarded')),
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    ended_by text,
    -- counts of an ended session, whose rows are gone
    ended_tables bigint,
    ended_rows bigint
);

CREATE TABLE pgdraft.operations (
    sid bigint NOT NULL REFERENCES pgdraft.sessions ON DELETE CASCADE,
    op bigint NOT NULL,
    name text NOT NULL,
    -- the name asked for; NULL where none was
    requested text,
    -- how often the session has asked for that name, or its number among the unnamed
    repeat bigint NOT NULL,
    xid xid8 NOT NULL,
    agent text NOT NULL,
    client_address text,
    statement text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- counts of an ended session, whose log rows are gone
    inserted bigint,
    updated bigint,
    deleted bigint,
    tables text[],
    PRIMARY KEY (sid, op),
    UNIQUE (sid, name)
);
CREATE INDEX operations_requested ON pgdraft.operations (sid, requested, op);
CREATE INDEX operations_xid ON pgdraft.operations (sid, xid);

CREATE TABLE pgdraft.tables (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relid oid NOT NULL UNIQUE,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    -- what the head and its triggers were made for
    fingerprint text NOT NULL,
    -- what the head's columns and indexes were made for
    shape text NOT NULL,
    -- head index name -> base index or constraint name
    constraints jsonb NOT NULL DEFAULT '{}',
    drafted_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pgdraft.touched (
    sid bigint NOT NULL REFERENCES pgdraft.sessions ON DELETE CASCADE,
    table_id integer NOT NULL REFERENCES pgdraft.tables ON DELETE CASCADE,
    PRIMARY KEY (sid, table_id)
);

-- The session this backend is bound to: NULL without a token, 28000 with a wrong one. The token is
-- `<sid>.<backend pid>.<mac>`; the one that this backend must have for the session it names is made
-- again and compared whole, so nothing of a token is trusted before. Row-level security calls this
-- once for each head in a statement: 11 us here, 25 us with the parts checked one by one.
CREATE FUNCTION pgdraft.sid() RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    token text := current_setting('pgdraft.tok', true);
    said text;
BEGIN
    IF token IS NULL OR token = '' THEN
        RETURN NULL;
    END IF;
    said := split_part(token, '.', 1) || '.' || pg_backend_pid();
    IF token = said || '.' || (SELECT encode(sha256(s.key || sha256(s.key || convert_to(said, 'UTF8'))), 'hex') FROM pgdraft.secret s) THEN
        RETURN split_part(token, '.', 1)::bigint;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = 'bad session token',
        HINT = 'Connect through pgdraft; it binds each connection to its session.';
END $$;

-- The operation that this transaction writes for; set by begin_write().
CREATE FUNCTION pgdraft.op() RETURNS bigint
LANGUAGE sql STABLE PARALLEL RESTRICTED
AS $$ SELECT pg_catalog.current_setting('pgdraft.op')::pg_catalog.int8 $$;

-- Key of the advisory lock that lets one transaction write, commit or discard a session at a time.
CREATE FUNCTION pgdraft.session_lock(sid bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.hashtextextended('pgdraft session', sid) $$;

-- Raises PostgreSQL's own duplicate key error where an INSERT meets a live row; over a tombstone it
-- returns true, which brings the row back to life.
CREATE FUNCTION pgdraft.dup_guard(live boolean, schema_name text, table_name text, constraint_name text, detail text)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF live THEN
        RAISE EXCEPTION USING ERRCODE = '23505',
            MESSAGE = 'duplicate key value violates unique constraint "' || constraint_name || '"',
            DETAIL = coalesce(detail, ''), SCHEMA = schema_name, TABLE = table_name, CONSTRAINT = constraint_name;
    END IF;
    RETURN true;
END $$;

-- Stands in a head for a default that must not run before commit.
CREATE FUNCTION pgdraft.no_default(schema_name text, table_name text, column_name text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = format('default of column "%s" cannot run in a draft', column_name),
        DETAIL = format('The default of "%s"."%s"."%s" calls a function that runs with its owner''s rights, so it could change production before commit.', schema_name, table_name, column_name),
        HINT = 'Give the column a value in the statement.',
        SCHEMA = schema_name, TABLE = table_name, COLUMN = column_name;
END $$;

-- Opens a write: one writer of a session at a time, an open session, the operation it belongs to.
-- Sent as a statement of its own before the write, so that the write's snapshot is taken under the lock.
CREATE FUNCTION pgdraft.begin_write(operation text, statement text, tables integer[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    session record;
    own_op bigint;
    own_repeat bigint;
    own_name text;
    fits text;
BEGIN
    IF own_sid IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no session',
            HINT = 'Connect through pgdraft; give the session with options=-c pgdraft.session=<id>.';
    END IF;
    IF operation IS NOT NULL AND char_length(operation) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD005',
            MESSAGE = format('operation id has %s characters', char_length(operation)),
            DETAIL = 'An id has 1 to 200 characters.', HINT = 'Set pgdraft.operation to a shorter id that is not empty.';
    END IF;
    PERFORM pg_advisory_xact_lock(pgdraft.session_lock(own_sid));
    SELECT s.name, s.agent, s.state, s.ended_at, s.ended_by INTO session
    FROM pgdraft.sessions s WHERE s.sid = own_sid FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no such session',
            HINT = 'Reconnect to start a new session.';
    END IF;
    IF session.state <> 'open' THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD002', MESSAGE = format('session is already %s', session.state),
            DETAIL = format('Session "%s" was %s at %s by %s.', session.name, session.state, session.ended_at, session.ended_by),
            HINT = 'Connect with another session id to start a new draft.';
    END IF;

    -- At most one; an ORDER BY would walk all operations of a long session.
    SELECT o.op INTO own_op FROM pgdraft.operations o
    WHERE o.sid = own_sid AND o.xid = pg_current_xact_id() AND o.requested IS NOT DISTINCT FROM begin_write.operation;
    IF own_op IS NULL THEN
        -- Two queries: with one condition for both the index on the name is of no use.
        IF operation IS NULL THEN
            SELECT o.repeat INTO own_repeat FROM pgdraft.operations o
            WHERE o.sid = own_sid AND o.requested IS NULL ORDER BY o.op DESC LIMIT 1;
        ELSE
            SELECT o.repeat INTO own_repeat FROM pgdraft.operations o
            WHERE o.sid = own_sid AND o.requested = begin_write.operation ORDER BY o.op DESC LIMIT 1;
        END IF;
        own_repeat := coalesce(own_repeat, 0);
        -- no sequence: it would show in the client's lastval()
        SELECT coalesce(max(o.op), 0) + 1 INTO own_op FROM pgdraft.operations o WHERE o.sid = own_sid;
        LOOP
            own_repeat := own_repeat + 1;
            own_name := CASE WHEN operation IS NULL THEN 'op-' || own_repeat
                             WHEN own_repeat = 1 THEN operation
                             ELSE operation || '#' || own_repeat END;
            INSERT INTO pgdraft.operations (sid, op, name, requested, repeat, xid, agent, client_address, statement)
            VALUES (own_sid, own_op, own_name, operation, own_repeat, pg_current_xact_id(), session.agent,
                    nullif(current_setting('pgdraft.client_address', true), ''), left(coalesce(statement, ''), 8192))
            ON CONFLICT ON CONSTRAINT operations_sid_name_key DO NOTHING;
            EXIT WHEN FOUND;
        END LOOP;
    ELSE
        -- Later statements of the same operation are kept too, as far as they fit; one that is run
        -- again and again is kept once.
        SELECT left(E';\n' || coalesce(begin_write.statement, ''), 8192 - char_length(o.statement)) INTO fits
        FROM pgdraft.operations o
        WHERE o.sid = own_sid AND o.op = own_op AND char_length(o.statement) < 8190
          AND right(o.statement, char_length(begin_write.statement)) IS DISTINCT FROM begin_write.statement;
        IF fits IS NOT NULL THEN
            UPDATE pgdraft.operations o SET statement = o.statement || fits WHERE o.sid = own_sid AND o.op = own_op;
        END IF;
    END IF;

    INSERT INTO pgdraft.touched (sid, table_id)
    SELECT own_sid, t.id FROM pgdraft.tables t WHERE t.id = ANY (begin_write.tables)
    ON CONFLICT DO NOTHING;
    PERFORM set_config('pgdraft.op', own_op::text, true);
    RETURN own_op;
END $$;

-- Takes the lock of a write for a read under FOR UPDATE: other writers of the session wait until this
-- transaction ends.
CREATE FUNCTION pgdraft.lock_session() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(pgdraft.session_lock(pgdraft.sid()));
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA pgdraft FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgdraft FROM PUBLIC;
GRANT USAGE ON SCHEMA pgdraft TO {{agent}};
GRANT EXECUTE ON FUNCTION pgdraft.sid(), pgdraft.op(),
    pgdraft.dup_guard(boolean, text, text, text, text),
    pgdraft.no_default(text, text, text),
    pgdraft.lock_session(),
    pgdraft.begin_write(text, text, integer[]) TO {{agent}};
