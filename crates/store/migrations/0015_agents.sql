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
