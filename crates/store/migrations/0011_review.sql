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
