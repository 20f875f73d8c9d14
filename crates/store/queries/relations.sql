-- One row a relation outside the system's schemas and ours.
SELECT c.oid AS id, n.nspname::text AS schema, c.relname::text AS name, c.relkind AS kind,
       c.relispartition OR c.relkind = 'p'
           OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid) AS inherits,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
           OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') AS triggers,
       c.relhasrules AND EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN' AND r.ev_enabled IN ('O', 'A')) AS rules,
       -- of INSERT (4, or 3 of a rule), UPDATE (16, 2) and DELETE (8, 4)
       CASE WHEN c.relhasrules OR c.relhastriggers THEN ARRAY(
             SELECT e.command
             FROM (VALUES ('INSERT', 4, '3'::"char"), ('UPDATE', 16, '2'), ('DELETE', 8, '4')) e (command, trigger, rule)
             WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 64 <> 0 AND t.tgtype & e.trigger <> 0)
                OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = e.rule AND r.ev_enabled IN ('O', 'A')
                             AND (r.is_instead OR c.relkind <> 'r' OR c.relispartition
                                  OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid)))
            ) ELSE '{}' END AS instead,
       -- BEFORE (2), for each row (1), of INSERT (4) or UPDATE (16)
       ARRAY(SELECT t.tgname::text FROM pg_trigger t
             WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgenabled IN ('O', 'A')
             ORDER BY t.tgname) AS before,
       coalesce(substring(array_to_string(c.reloptions, ',') FROM 'check_option=(local|cascaded)'), '') AS check_option,
       c.relrowsecurity AS row_security,
       -- the control role asks, the keeper has the function
       c.relrowsecurity AND (row_security_active(c.oid) OR NOT (
           SELECT k.rolbypassrls OR k.rolsuper FROM pg_proc p JOIN pg_roles k ON k.oid = p.proowner
           WHERE p.pronamespace = 'pgdraft'::regnamespace AND p.proname = 'run')) AS secured_from_us,
       CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END AS definition,
       coalesce(c.reloptions && ARRAY['security_barrier=true', 'security_barrier=on', 'security_barrier=1'], false) AS security_barrier,
       EXISTS (SELECT FROM pg_roles r WHERE r.oid = c.relowner AND (r.rolsuper OR r.rolbypassrls)) AS owner_bypasses,
       coalesce(c.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false) AS security_invoker
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
