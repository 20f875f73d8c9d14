-- Functions that a change of a table calls by the table's own expressions: checks, defaults, generated columns, indexes.
-- A check or default that calls one with its owner's rights does not run in a draft. One in C has no text to look at;
-- it runs with the agent's rights, as extensions' makers of keys do.
WITH used (class_id, object_id, function) AS (
    SELECT d.classid, d.objid, CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
    FROM pg_depend d LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
), expression (class_id, object_id, relation, is_default) AS (
    SELECT 'pg_constraint'::regclass, k.oid, k.conrelid, false FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid <> 0
    UNION ALL
    SELECT 'pg_attrdef'::regclass, f.oid, f.adrelid, a.attgenerated = ''
    FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    UNION ALL
    SELECT 'pg_class'::regclass, i.indexrelid, i.indrelid, false FROM pg_index i
    UNION ALL
    -- what partitions by; before PostgreSQL 15 generated columns too
    SELECT 'pg_class'::regclass, c.oid, c.oid, false FROM pg_class c WHERE c.relkind IN ('r', 'p')
)
SELECT DISTINCT e.relation, e.is_default, u.function
FROM expression e
JOIN used u ON u.class_id = e.class_id AND u.object_id = e.object_id
JOIN pg_proc p ON p.oid = u.function AND NOT p.prosecdef AND p.pronamespace <> 'pg_catalog'::regnamespace
JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
