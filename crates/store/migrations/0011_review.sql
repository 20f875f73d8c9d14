-- Records that a reviewer reads.

-- Statements with their constants and parameters, where the configuration says to keep them: as they
-- were, or sealed with a key that the database does not have.
CREATE TABLE pgdraft.statements (
    sid bigint NOT NULL,
    op bigint NOT NULL,
    number integer NOT NULL,
    sealed boolean NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (sid, op, number)
);
REVOKE ALL ON pgdraft.statements FROM PUBLIC;

-- What an operation has besides goes with it: the check of a foreign key would cost each write.
CREATE FUNCTION pgdraft.forget_operation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM pgdraft.statements x WHERE x.sid = OLD.sid AND x.op = OLD.op;
    DELETE FROM pgdraft.reads x WHERE x.sid = OLD.sid AND x.op = OLD.op;
    DELETE FROM pgdraft.read_sets x WHERE x.sid = OLD.sid AND x.op = OLD.op;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.forget_operation() FROM PUBLIC;
CREATE TRIGGER forget_operation AFTER DELETE ON pgdraft.operations
    FOR EACH ROW EXECUTE FUNCTION pgdraft.forget_operation();

-- Keeps a statement of the operation of this transaction; after begin_write. The first thousand.
CREATE FUNCTION pgdraft.keep_statement(sealed boolean, content bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    own_op bigint := pgdraft.op();
    next integer;
BEGIN
    SELECT coalesce(max(x.number), 0) + 1 INTO next FROM pgdraft.statements x WHERE x.sid = own_sid AND x.op = own_op;
    IF next <= 1000 THEN
        INSERT INTO pgdraft.statements (sid, op, number, sealed, content)
        SELECT own_sid, own_op, next, keep_statement.sealed, keep_statement.content
        FROM pgdraft.operations o WHERE o.sid = own_sid AND o.op = own_op AND o.xid = pg_current_xact_id();
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.keep_statement(boolean, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.keep_statement(boolean, bytea) TO {{agent}};

-- Refuses an operation id that an earlier transaction of the session has used; after begin_write.
CREATE FUNCTION pgdraft.refuse_reuse() RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
BEGIN
    SELECT o.requested, o.repeat, e.started_at, s.name AS session INTO found
    FROM pgdraft.operations o JOIN pgdraft.sessions s ON s.sid = o.sid
    LEFT JOIN pgdraft.operations e ON e.sid = o.sid AND e.name = o.requested
    WHERE o.sid = pgdraft.sid() AND o.op = pgdraft.op();
    IF found.requested IS NOT NULL AND found.repeat > 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD023',
            MESSAGE = format('operation "%s" has ended', found.requested),
            DETAIL = format('An earlier transaction of session "%s" used this id, at %s.', found.session, found.started_at),
            HINT = 'Set pgdraft.operation to an id that is new, or do all of an operation in one transaction.';
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.refuse_reuse() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.refuse_reuse() TO {{agent}};

-- The first of the operations that were committed or discarded together: the answer to a command that
-- is asked for again.
ALTER TABLE pgdraft.operations ADD COLUMN batch bigint;
-- The command that made a session out of others.
ALTER TABLE pgdraft.sessions ADD COLUMN origin text;

-- What sessions read from production, for agents whose reads the configuration says to record: the rows
-- by their key and a hash of their values, or a table as it was at that time.
CREATE TABLE pgdraft.read_sets (
    sid bigint NOT NULL,
    -- NULL: read before the operation that it was read for
    op bigint,
    relid oid NOT NULL,
    statement text NOT NULL,
    read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- NULL where the rows are not told apart
    keys jsonb[],
    marks bytea[],
    -- as in pgdraft.truncations
    horizon bigint NOT NULL,
    running bigint[] NOT NULL
);
CREATE INDEX read_sets_session ON pgdraft.read_sets (sid, read_at);
REVOKE ALL ON pgdraft.read_sets FROM PUBLIC;

-- Records a read of this backend's session, the first ten thousand of it. A transaction that only reads
-- cannot write it down.
CREATE FUNCTION pgdraft.note_read(relation oid, statement text, keys jsonb[], marks bytea[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
BEGIN
    IF own_sid = 0 OR current_setting('transaction_read_only')::boolean
        OR NOT EXISTS (SELECT FROM pgdraft.sessions s WHERE s.sid = own_sid AND s.ended_at IS NULL)
        OR (SELECT count(*) FROM (SELECT FROM pgdraft.read_sets r WHERE r.sid = own_sid LIMIT 10000) n) = 10000 THEN
        RETURN;
    END IF;
    IF cardinality(keys) > 1000 THEN
        keys := NULL;
        marks := NULL;
    END IF;
    INSERT INTO pgdraft.read_sets (sid, op, relid, statement, keys, marks, horizon, running)
    SELECT own_sid,
        (SELECT o.op FROM (SELECT o.op, o.xid FROM pgdraft.operations o WHERE o.sid = own_sid ORDER BY o.op DESC LIMIT 1) o
         WHERE o.xid = pg_current_xact_id_if_assigned()),
        relation, left(statement, 8192), keys, marks, pg_snapshot_xmax(s.now)::text::bigint, ARRAY(
            SELECT x.number::text::bigint % 4294967296 FROM pg_snapshot_xip(s.now) x(number)
            UNION
            SELECT l.transactionid::text::bigint FROM pg_locks l
            WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
              AND l.pid IS DISTINCT FROM pg_backend_pid())
    FROM (SELECT pg_current_snapshot() AS now) s;
END $$;
REVOKE ALL ON FUNCTION pgdraft.note_read(oid, text, jsonb[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.note_read(oid, text, jsonb[], bytea[]) TO {{agent}};
