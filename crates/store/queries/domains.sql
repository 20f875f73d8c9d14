-- Domains by name, with what they are made of at last. The search_path is empty, so every name is qualified.
WITH RECURSIVE domains (domain, base, modifier, done) AS (
    SELECT t.oid, t.typbasetype, t.typtypmod, b.typtype <> 'd'
    FROM pg_type t JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd'
    UNION ALL
    SELECT d.domain, t.typbasetype, CASE WHEN d.modifier < 0 THEN t.typtypmod ELSE d.modifier END, b.typtype <> 'd'
    FROM domains d JOIN pg_type t ON t.oid = d.base JOIN pg_type b ON b.oid = t.typbasetype
    WHERE NOT d.done
)
SELECT format_type(d.domain, -1) AS name, format_type(d.base, d.modifier) AS base
FROM domains d JOIN pg_type t ON t.oid = d.domain JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE d.done AND n.nspname NOT IN ('information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
