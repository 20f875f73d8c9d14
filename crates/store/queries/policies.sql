-- One row a policy that holds for agents: PUBLIC's and those that name their role, of which the keeper is a
-- member.
SELECT y.polrelid AS relation, y.polname::text AS name, y.polpermissive AS permissive, y.polcmd AS command,
       pg_get_expr(y.polqual, y.polrelid) AS using_text, pg_get_expr(y.polwithcheck, y.polrelid) AS check_text,
       ARRAY(SELECT DISTINCT d.refobjid FROM pg_depend d
             WHERE d.classid = 'pg_policy'::regclass AND d.objid = y.oid AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid <> y.polrelid) AS reads,
       ARRAY(SELECT DISTINCT p.oid FROM pg_depend d
             LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
             JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
             WHERE d.classid = 'pg_policy'::regclass AND d.objid = y.oid
               AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
               AND p.pronamespace <> 'pg_catalog'::regnamespace) AS functions
FROM pg_policy y
WHERE y.polroles && (
    SELECT array_agg(m.roleid) || 0::oid FROM pg_proc p JOIN pg_auth_members m ON m.member = p.proowner
    WHERE p.pronamespace = 'pgdraft'::regnamespace AND p.proname = 'run')
ORDER BY y.polrelid, y.polname
