-- One row a trigger that the configuration names in full and that cannot run in drafts.
SELECT format('%s.%s.%s: %s', g.schema_name, g.table_name, g.trigger_name, w.why) AS trouble
FROM pgdraft.triggers g
LEFT JOIN (pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid)
    ON n.nspname = g.schema_name AND c.relname = g.table_name AND t.tgname = g.trigger_name
CROSS JOIN LATERAL (SELECT CASE
    WHEN t.oid IS NULL THEN 'there is no such trigger'
    WHEN t.tgtype & 3 <> 3 OR t.tgtype & 20 = 0 THEN 'it does not fire BEFORE INSERT or UPDATE, FOR EACH ROW'
    WHEN p.prosecdef THEN 'its function has the rights of its owner (SECURITY DEFINER) and could change production before the commit' END AS why) w
WHERE '*' NOT IN (g.schema_name, g.table_name, g.trigger_name) AND w.why IS NOT NULL
ORDER BY 1
