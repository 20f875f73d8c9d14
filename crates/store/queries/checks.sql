-- One row a CHECK constraint of a table, in the order PostgreSQL checks them; tableoid as it is for the table's rows, and
-- the row as a whole by its columns.
SELECT c.conrelid AS relation, c.conname::text AS name,
       CASE WHEN -6 = ANY (c.conkey) THEN regexp_replace(pg_get_constraintdef(c.oid), '\mtableoid\M', c.conrelid || '::pg_catalog.oid', 'g')
            WHEN 0 = ANY (c.conkey) THEN replace(pg_get_constraintdef(c.oid), quote_ident(t.relname) || '.*',
                (SELECT 'ROW(' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')' FROM pg_attribute a
                 WHERE a.attrelid = c.conrelid AND a.attnum > 0 AND NOT a.attisdropped))
            ELSE pg_get_constraintdef(c.oid) END AS definition,
       EXISTS (SELECT FROM pg_depend d
               LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
               JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
               WHERE d.classid = 'pg_constraint'::regclass AND d.objid = c.oid AND p.prosecdef
                 AND p.pronamespace <> 'pg_catalog'::regnamespace) AS definer
FROM pg_constraint c
JOIN pg_namespace n ON n.oid = c.connamespace
JOIN pg_class t ON t.oid = c.conrelid
WHERE c.contype = 'c' AND c.conrelid <> 0
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY c.conrelid, c.conname COLLATE "C"
