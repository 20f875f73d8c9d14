-- One row a valid index, oldest first, with its key elements (not the INCLUDEd columns) and the equality
-- of each operator class. The search_path is empty, so every name in an expression is qualified.
SELECT i.indrelid AS relation, ic.relname::text AS name, i.indisprimary AS is_primary, i.indisunique AS is_unique,
       i.indisexclusion AS is_exclusion, ic.relispartition AS is_inherited, i.indisreplident AS is_replica_identity,
       k.columns, k.elements, k.label, k.expressions,
       coalesce(x.operators, k.operators) AS operators, k.classes, k.collations,
       k.expressions OR i.indpred IS NOT NULL OR nd.nulls_not_distinct
           OR i.indisexclusion OR NOT i.indimmediate OR NOT k.plain OR am.amname <> 'btree' AS special,
       NOT k.expressions AND i.indpred IS NULL AND k.plain AND am.amname = 'btree' AS simple,
       pg_get_expr(i.indpred, i.indrelid) AS predicate, nd.nulls_not_distinct,
       CASE WHEN x.condeferrable THEN x.oid END AS deferrable, coalesce(x.condeferred, false) AS deferred
FROM pg_index i
JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN pg_am am ON am.oid = ic.relam
JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct) nd
LEFT JOIN LATERAL (
    SELECT x.oid, x.condeferrable, x.condeferred,
           (SELECT array_agg(format('%I.%s', ons.nspname, o.oprname) ORDER BY e.place)
            FROM unnest(x.conexclop) WITH ORDINALITY e (operator, place)
            JOIN pg_operator o ON o.oid = e.operator JOIN pg_namespace ons ON ons.oid = o.oprnamespace) AS operators
    FROM pg_constraint x WHERE x.conindid = i.indexrelid AND x.contype IN ('p', 'u', 'x') AND x.conrelid = i.indrelid) x ON true
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(a.attname::text ORDER BY u.place) FILTER (WHERE a.attname IS NOT NULL), '{}') AS columns,
           array_agg(pg_get_indexdef(i.indexrelid, u.place::int, true)
               || CASE WHEN u.collation_id <> 0 AND u.collation_id IS DISTINCT FROM a.attcollation
                       THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation co
                             JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = u.collation_id)
                       ELSE '' END ORDER BY u.place) AS elements,
           string_agg(pg_get_indexdef(i.indexrelid, u.place::int, true), ', ' ORDER BY u.place) AS label,
           coalesce(array_agg(coalesce((
               SELECT format('%I.%s', ons.nspname, o.oprname)
               FROM pg_amop ao JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace ons ON ons.oid = o.oprnamespace
               WHERE ao.amopfamily = oc.opcfamily AND ao.amopmethod = oc.opcmethod AND ao.amopstrategy = 3
                 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype), 'pg_catalog.=') ORDER BY u.place), '{}') AS operators,
           bool_or(u.attnum = 0) AS expressions,
           array_agg(oc.opcname::text ORDER BY u.place) AS classes,
           array_agg(coalesce((SELECT co.collname::text FROM pg_collation co WHERE co.oid = u.collation_id), '') ORDER BY u.place) AS collations,
           -- a head's index has the default operator class and the column's own collation
           bool_and(oc.opcdefault AND (a.attcollation IS NULL OR u.collation_id = a.attcollation)) AS plain
    FROM unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[]) WITH ORDINALITY AS u (attnum, class_id, collation_id, place)
    JOIN pg_opclass oc ON oc.oid = u.class_id
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND u.attnum <> 0
    WHERE u.place <= i.indnkeyatts) k
WHERE i.indisvalid AND i.indislive
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY i.indrelid, i.indexrelid
