-- A read is kept with its condition, so that rows can be told that it would find today.

-- The condition in pieces, each with what it is in front: `o` an operator, a bracket or a type, `c` a column,
-- `v` a value; NULL is a value too. Only comparisons of columns are kept, and whoever asks them writes them
-- anew. NULL where the condition is not known, '{}' where there is none.
ALTER TABLE pgdraft.read_sets ADD COLUMN asked text[];

DROP FUNCTION pgdraft.note_read(oid, text, jsonb[], bytea[]);

-- Records a read of this backend's session, the first ten thousand of it. A transaction that only reads
-- cannot write it down.
CREATE FUNCTION pgdraft.note_read(relation oid, statement text, keys jsonb[], marks bytea[], asked text[] DEFAULT NULL) RETURNS void
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
    INSERT INTO pgdraft.read_sets (sid, op, relid, statement, keys, marks, asked, horizon, running)
    SELECT own_sid,
        (SELECT o.op FROM (SELECT o.op, o.xid FROM pgdraft.operations o WHERE o.sid = own_sid ORDER BY o.op DESC LIMIT 1) o
         WHERE o.xid = pg_current_xact_id_if_assigned()),
        relation, left(statement, 8192), keys, marks, asked, pg_snapshot_xmax(s.now)::text::bigint, ARRAY(
            SELECT x.number::text::bigint % 4294967296 FROM pg_snapshot_xip(s.now) x(number)
            UNION
            SELECT l.transactionid::text::bigint FROM pg_locks l
            WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
              AND l.pid IS DISTINCT FROM pg_backend_pid())
    FROM (SELECT pg_current_snapshot() AS now) s;
END $$;
REVOKE ALL ON FUNCTION pgdraft.note_read(oid, text, jsonb[], bytea[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.note_read(oid, text, jsonb[], bytea[], text[]) TO {{agent}};
