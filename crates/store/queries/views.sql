-- One row a (view, thing it uses): relations and functions, views expanded.
WITH RECURSIVE direct (view_id, class_id, object_id) AS (
    SELECT DISTINCT r.ev_class, d.refclassid, d.refobjid
    FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.rulename = '_RETURN' AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass)
      AND NOT (d.refclassid = 'pg_class'::regclass AND d.refobjid = r.ev_class)
), uses (view_id, class_id, object_id) AS (
    SELECT view_id, class_id, object_id FROM direct
    UNION
    SELECT u.view_id, d.class_id, d.object_id FROM uses u
    JOIN direct d ON u.class_id = 'pg_class'::regclass AND d.view_id = u.object_id
)
SELECT u.view_id AS view, CASE WHEN c.oid IS NOT NULL THEN u.object_id END AS relation, p.oid AS function
FROM uses u
JOIN pg_class v ON v.oid = u.view_id
JOIN pg_namespace n ON n.oid = v.relnamespace
LEFT JOIN pg_class c ON u.class_id = 'pg_class'::regclass AND c.oid = u.object_id AND c.relkind NOT IN ('v', 'S')
LEFT JOIN pg_operator o ON u.class_id = 'pg_operator'::regclass AND o.oid = u.object_id
LEFT JOIN pg_proc p ON p.oid = CASE WHEN u.class_id = 'pg_proc'::regclass THEN u.object_id ELSE o.oprcode::oid END
    AND p.pronamespace <> 'pg_catalog'::regnamespace
WHERE (c.oid IS NOT NULL OR p.oid IS NOT NULL)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, 2, 3
