PREPARE pgdraft_touched (bigint) AS
    SELECT t.id, t.relid FROM pgdraft.touched x JOIN pgdraft.tables t ON t.id = x.table_id WHERE x.sid = $1 ORDER BY t.id;
PREPARE pgdraft_opened (bigint) AS
    SELECT t.id, t.relid, coalesce(pg_relation_size(to_regclass(format('pgdraft.d%s', t.id))), 0)
    FROM pgdraft.touched x JOIN pgdraft.tables t ON t.id = x.table_id WHERE x.sid = $1 ORDER BY t.id;
PREPARE pgdraft_truncated (bigint) AS
    SELECT DISTINCT t.relid FROM pgdraft.truncations x JOIN pgdraft.tables t ON t.id = x.table_id
    WHERE x.sid = $1 ORDER BY t.relid;
PREPARE pgdraft_take_over (bigint) AS
    SELECT pgdraft.move_sequence(s.base, s.restarted, s.last, s.called)
    FROM pgdraft.sequence_states($1) s
    WHERE EXISTS (SELECT FROM pgdraft.sequences q WHERE q.sid = $1)
    ORDER BY s.restarted DESC, s.base;
