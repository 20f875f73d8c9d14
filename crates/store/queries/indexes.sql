-- One row a valid index, with its key columns (not the INCLUDEd ones) and the equality of each operator class.
SELECT i.indrelid AS relation, ic.relname::text AS name, i.indisprimary AS is_primary, i.indisunique AS is_unique,
       k.columns, k.operators,
       k.expressions OR i.indpred IS NOT NULL
           OR coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
           OR i.indisexclusion OR NOT i.indimmediate OR NOT k.plain OR am.amname <> 'btree' AS special,
       NOT k.expressions AND i.indpred IS NULL AND k.plain AND am.amname = 'btree' AS simple
FROM pg_index i
JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN pg_am am ON am.oid = ic.relam
JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(a.attname::text ORDER BY u.place) FILTER (WHERE a.attname IS NOT NULL), '{}') AS columns,
           coalesce(array_agg(coalesce((
               SELECT format('%I.%s', ons.nspname, o.oprname)
               FROM pg_amop ao JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace ons ON ons.oid = o.oprnamespace
               WHERE ao.amopfamily = oc.opcfamily AND ao.amopmethod = oc.opcmethod AND ao.amopstrategy = 3
                 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype), 'pg_catalog.=') ORDER BY u.place), '{}') AS operators,
           bool_or(u.attnum = 0) AS expressions,
           -- a head's index has the default operator class and the column's own collation
           bool_and(oc.opcdefault AND (a.attcollation IS NULL OR u.collation_id = a.attcollation)) AS plain
    FROM unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[]) WITH ORDINALITY AS u (attnum, class_id, collation_id, place)
    JOIN pg_opclass oc ON oc.oid = u.class_id
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND u.attnum <> 0
    WHERE u.place <= i.indnkeyatts) k
WHERE i.indisvalid AND i.indislive
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY i.indrelid, ic.relname COLLATE "C"
