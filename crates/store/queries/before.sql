-- One row a trigger that runs in drafts. One whose function has its owner's rights could change production
-- and never does. The search_path is empty, so the definition has every name qualified.
SELECT t.tgrelid AS relation, t.tgname::text AS name,
       t.tgtype & 4 <> 0 AS of_insert, t.tgtype & 16 <> 0 AS of_update,
       ARRAY(SELECT a.attname::text FROM unnest(t.tgattr::int2[]) u JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = u) AS columns,
       substring(d.definition FROM position(' FOR EACH ROW ' IN d.definition)) AS rest
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid
CROSS JOIN LATERAL (SELECT pg_get_triggerdef(t.oid) AS definition) d
WHERE NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgenabled IN ('O', 'A') AND NOT p.prosecdef
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
  AND EXISTS (SELECT FROM pgdraft.triggers g
              WHERE g.schema_name IN ('*', n.nspname) AND g.table_name IN ('*', c.relname) AND g.trigger_name IN ('*', t.tgname))
ORDER BY t.tgrelid, t.tgname COLLATE "C"
