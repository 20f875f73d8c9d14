-- Every operator outside pg_catalog with the function behind it.
SELECT o.oprname::text AS name, o.oprcode::oid AS function
FROM pg_operator o
WHERE o.oprnamespace <> 'pg_catalog'::regnamespace AND o.oprcode <> 0
