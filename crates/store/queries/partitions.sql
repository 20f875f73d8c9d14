-- One row a table of a partition tree, the root first: what leads to it and, of one that is partitioned
-- itself, its key: columns, and NULL where an expression is next. The search_path is empty, so every name in
-- an expression is qualified.
SELECT t.root, c.oid AS id, c.relkind = 'p' AS is_partitioned, pg_get_partition_constraintdef(c.oid) AS bound,
       coalesce(p.partdefid, 0) <> 0 AS has_default, i.inhparent AS parent,
       k.columns, pg_get_expr(p.partexprs, c.oid) AS expressions
FROM (SELECT r.oid AS root, m.relid FROM pg_class r CROSS JOIN LATERAL pg_partition_tree(r.oid) m
      WHERE r.relkind = 'p' AND NOT r.relispartition) t
JOIN pg_class c ON c.oid = t.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN LATERAL (
    SELECT array_agg(quote_ident(a.attname) ORDER BY u.place) AS columns
    FROM unnest(p.partattrs::int2[]) WITH ORDINALITY u (attnum, place)
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum AND u.attnum <> 0) k ON true
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY t.root, c.relispartition, c.oid
