-- One row a table that the configuration names a key for: its columns in order with the equality of each,
-- and what is wrong with it.
SELECT k.schema_name, k.table_name, c.oid AS relation,
       array_agg(k.column_name ORDER BY k.place) AS columns,
       array_agg(coalesce(e.operator, 'pg_catalog.=') ORDER BY k.place) AS operators,
       CASE WHEN c.oid IS NULL THEN 'the table does not exist'
            WHEN c.relkind NOT IN ('r', 'p') THEN 'it is no table'
            WHEN c.relispartition THEN 'it is a partition: name the table it belongs to'
            WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) THEN 'the table has a primary key'
            WHEN bool_or(a.attnum IS NULL) THEN
                format('column "%s" does not exist', min(k.column_name) FILTER (WHERE a.attnum IS NULL))
            WHEN bool_or(a.attgenerated <> '') THEN
                format('column "%s" is generated', min(k.column_name) FILTER (WHERE a.attgenerated <> '')) END AS trouble
FROM pgdraft.keys k
LEFT JOIN pg_namespace n ON n.nspname = k.schema_name
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = k.table_name
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = k.column_name AND NOT a.attisdropped AND a.attnum > 0
LEFT JOIN LATERAL (
    SELECT format('%I.%s', ons.nspname, o.oprname) AS operator
    FROM pg_operator o JOIN pg_namespace ons ON ons.oid = o.oprnamespace
    WHERE o.oprname = '=' AND o.oprleft = a.atttypid AND o.oprright = a.atttypid AND o.oprcanmerge
    ORDER BY o.oid LIMIT 1) e ON true
GROUP BY k.schema_name, k.table_name, c.oid, c.relkind, c.relispartition
ORDER BY 1, 2
