-- Two numbers: one changes when a catalog row of the user's schemas is made, changed or dropped, the other
-- with the list of heads. A hash of (what, row version) is summed, so the order of rows does not matter
-- and nothing is sorted. What has an oid below 16384 came with PostgreSQL: leaving it to the indexes is
-- three quarters of the time.
WITH own AS (
    SELECT n.oid FROM pg_namespace n
    WHERE n.nspname IN ('pg_catalog', 'information_schema', 'pgdraft') OR n.nspname ~ '^pg_(toast|temp)'
), relations AS (
    SELECT c.oid, c.xmin FROM pg_class c WHERE c.oid >= 16384 AND c.relnamespace NOT IN (SELECT oid FROM own)
), rows (kind, id, version) AS (
    SELECT 1, n.oid::bigint, n.xmin FROM pg_namespace n WHERE n.oid NOT IN (SELECT oid FROM own)
    UNION ALL SELECT 2, r.oid::bigint, r.xmin FROM relations r
    UNION ALL SELECT 3, a.attrelid::bigint * 65536 + a.attnum, a.xmin FROM pg_attribute a
        JOIN relations r ON r.oid = a.attrelid WHERE a.attrelid >= 16384 AND a.attnum > 0
    UNION ALL SELECT 4, d.oid::bigint, d.xmin FROM pg_attrdef d JOIN relations r ON r.oid = d.adrelid
    UNION ALL SELECT 5, k.oid::bigint, k.xmin FROM pg_constraint k WHERE k.oid >= 16384 AND k.connamespace NOT IN (SELECT oid FROM own)
    UNION ALL SELECT 6, i.indexrelid::bigint, i.xmin FROM pg_index i JOIN relations r ON r.oid = i.indrelid WHERE i.indrelid >= 16384
    UNION ALL SELECT 7, w.oid::bigint, w.xmin FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class WHERE w.ev_class >= 16384
    UNION ALL SELECT 8, t.oid::bigint, t.xmin FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL SELECT 9, p.oid::bigint, p.xmin FROM pg_proc p WHERE p.oid >= 16384 AND p.pronamespace NOT IN (SELECT oid FROM own)
    UNION ALL SELECT 10, t.oid::bigint, t.xmin FROM pg_type t WHERE t.oid >= 16384 AND t.typnamespace NOT IN (SELECT oid FROM own)
    UNION ALL SELECT 11, o.oid::bigint, o.xmin FROM pg_operator o WHERE o.oid >= 16384 AND o.oprnamespace NOT IN (SELECT oid FROM own)
    UNION ALL SELECT 12, (i.inhrelid::bigint << 31) # i.inhparent::bigint, i.xmin FROM pg_inherits i
    UNION ALL SELECT 14, c.oid::bigint, c.xmin FROM pg_cast c WHERE c.oid >= 16384
    UNION ALL SELECT 15, p.oid::bigint, p.xmin FROM pg_amproc p WHERE p.oid >= 16384
    UNION ALL SELECT 16, a.oid::bigint, a.xmin FROM pg_amop a WHERE a.oid >= 16384
    UNION ALL SELECT 17, k.place::bigint, k.xmin FROM pgdraft.keys k
    UNION ALL SELECT 19, y.oid::bigint, y.xmin FROM pg_policy y
    UNION ALL SELECT 20, k.oid::bigint, (CASE WHEN k.rolbypassrls THEN '1' ELSE '2' END)::xid FROM pg_roles k
              WHERE k.oid IN (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pgdraft'
                              UNION SELECT p.proowner FROM pg_proc p WHERE p.pronamespace = 'pgdraft'::regnamespace AND p.proname = 'run')
    UNION ALL SELECT 18, hashtext(t.trigger_name)::bigint, t.xmin FROM pgdraft.triggers t
)
SELECT md5(count(*)::text || ' ' || coalesce(sum(hashint8extended(kind * 281474976710656 + id, version::text::bigint)), 0)::text) AS schema,
       (SELECT md5(count(*)::text || ' ' || coalesce(sum(hashint8extended(t.id, t.xmin::text::bigint)), 0)::text
                   -- heads that gave way to production's DDL
                   || ' ' || (SELECT coalesce(sum(k.oid::bigint), 0) FROM pg_constraint k
                              WHERE k.conname = 'pgdraft_gave_way' AND k.connamespace = 'pgdraft'::regnamespace))
        FROM pgdraft.tables t) AS heads
FROM rows
