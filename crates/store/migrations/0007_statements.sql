-- TRUNCATE: the base of a table is hidden from a session since an operation; the session's own rows
-- of it are tombstones in the head. So it costs what the draft costs, not what the table does.
CREATE TABLE pgdraft.truncations (
    sid bigint NOT NULL REFERENCES pgdraft.sessions ON DELETE CASCADE,
    -- without a foreign key, as in pgdraft.touched
    table_id integer NOT NULL,
    op bigint NOT NULL,
    -- What the table held then: rows of transactions before `horizon` that were not `running`.
    horizon bigint NOT NULL,
    running bigint[] NOT NULL,
    PRIMARY KEY (sid, table_id, op)
);
REVOKE ALL ON pgdraft.truncations FROM PUBLIC;
ALTER TABLE pgdraft.truncations ENABLE ROW LEVEL SECURITY;
CREATE POLICY pgdraft ON pgdraft.truncations TO {{agent}} USING (sid = (SELECT pgdraft.sid()));
GRANT SELECT ON pgdraft.truncations TO {{agent}};

-- Whether a row of that xmin came to be, or changed, after a truncation. A row's xid has 32 bits;
-- it is one of the last 2^32, and those below 3 are older than all others.
CREATE FUNCTION pgdraft.appeared(row_xmin xid, horizon bigint, running bigint[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED AS $$
    SELECT CASE
        WHEN x.low < 3 THEN false
        WHEN x.low = ANY (running) THEN true
        WHEN x.low + x.epoch < x.next THEN x.low + x.epoch >= horizon
        ELSE x.low + x.epoch - 4294967296 >= horizon
    END
    FROM (SELECT row_xmin::pg_catalog.text::pg_catalog.int8 AS low, n.next, n.next / 4294967296 * 4294967296 AS epoch
          FROM (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8 AS next) n) x
$$;
REVOKE ALL ON FUNCTION pgdraft.appeared(xid, bigint, bigint[]) FROM PUBLIC;

-- Truncates tables in the draft of this backend's session; begin_write came before. `cascades` are
-- the names to be told of. The heads' triggers leave what it does alone: TRUNCATE has no ON DELETE.
CREATE FUNCTION pgdraft.truncate(tables integer[], cascades text[]) RETURNS void
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
        -- Not from pg_attribute: the snapshot of this transaction may be older than the log.
        EXECUTE format(
            'SELECT string_agg(quote_ident(k.name), '', '') FROM json_object_keys((
                 SELECT row_to_json(r) FROM (SELECT l.* FROM (SELECT) o LEFT JOIN pgdraft.d%s_log l ON false) r)) k (name)
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
REVOKE ALL ON FUNCTION pgdraft.truncate(integer[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.truncate(integer[], text[]) TO {{agent}};

-- The lock of a write for a read under FOR UPDATE NOWAIT: another writer of the session is an error.
CREATE FUNCTION pgdraft.lock_session_now(relation text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(pgdraft.session_lock(pgdraft.sid())) THEN
        RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('could not obtain lock on row in relation "%s"', relation);
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.lock_session_now(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.lock_session_now(text) TO {{agent}};
