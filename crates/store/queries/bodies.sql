-- Functions in SQL whose calls can be written out as a query.
WITH parameter AS (
    -- one row a parameter; the columns of RETURNS TABLE are parameters too; -1: without it character is character(1)
    SELECT p.oid AS function, a.place, coalesce(p.proargmodes[a.place], 'i') IN ('i', 'b') AS is_given,
           coalesce(p.proargmodes[a.place], 'i') IN ('o', 'b', 't') AS comes_back,
           coalesce(p.proargnames[a.place], '') AS name, format_type(a.type, -1) AS type,
           pg_get_function_arg_default(p.oid, a.place::int) AS "default"
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'sql'
    CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY a (type, place)
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
), parameters AS (
    SELECT function, array_agg(name ORDER BY place) FILTER (WHERE is_given) AS names,
           array_agg(type ORDER BY place) FILTER (WHERE is_given) AS types,
           array_agg("default" ORDER BY place) FILTER (WHERE "default" IS NOT NULL) AS defaults,
           array_agg(name ORDER BY place) FILTER (WHERE comes_back) AS column_names,
           array_agg(type ORDER BY place) FILTER (WHERE comes_back) AS column_types
    FROM parameter GROUP BY function
)
SELECT p.oid AS id, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS text, p.prosqlbody IS NOT NULL AS qualified,
       substring(p.proconfig[1] FROM '=(.*)') AS path,
       p.proisstrict AS strict, p.proretset AS rows, coalesce(a.names, '{}') AS names, coalesce(a.types, '{}') AS types,
       coalesce(a.defaults, '{}') AS defaults, t.typtype IN ('c', 'p') AS composite,
       CASE WHEN t.typtype <> 'p' THEN format_type(p.prorettype, -1) END AS kind,
       CASE WHEN a.column_names IS NOT NULL THEN a.column_names
            WHEN t.typtype = 'c' THEN ARRAY(SELECT c.attname::text FROM pg_attribute c WHERE c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped ORDER BY c.attnum)
            ELSE ARRAY[''] END AS column_names,
       CASE WHEN a.column_names IS NOT NULL THEN a.column_types
            WHEN t.typtype = 'c' THEN ARRAY(SELECT format_type(c.atttypid, c.atttypmod) FROM pg_attribute c WHERE c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped ORDER BY c.attnum)
            ELSE ARRAY[format_type(p.prorettype, -1)] END AS column_types
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
JOIN pg_type t ON t.oid = p.prorettype
LEFT JOIN parameters a ON a.function = p.oid
WHERE l.lanname = 'sql' AND p.prokind = 'f' AND NOT p.prosecdef AND (p.proconfig IS NULL OR cardinality(p.proconfig) = 1 AND p.proconfig[1] LIKE 'search\_path=%' AND p.proconfig[1] !~ '\$user') AND p.provariadic = 0
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
  AND (t.typtype IN ('b', 'd', 'e', 'r', 'm', 'c') OR a.column_names IS NOT NULL)
  AND NOT EXISTS (SELECT FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) a (type) JOIN pg_type y ON y.oid = a.type WHERE y.typtype = 'p')
