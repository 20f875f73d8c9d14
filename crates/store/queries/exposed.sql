-- Tables outside pgdraft that the agents' role may change, by a grant to itself or to PUBLIC.
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
  AND (has_table_privilege($1::text::name, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
       OR has_any_column_privilege($1::text::name, c.oid, 'INSERT, UPDATE'))
ORDER BY 1
