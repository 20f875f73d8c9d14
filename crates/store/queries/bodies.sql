-- Functions in SQL whose calls can be written out as a query.
SELECT p.oid AS id, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS text, p.prosqlbody IS NOT NULL AS qualified,
       p.proisstrict AS strict, p.proretset AS rows,
       -- an array of all arguments, those of RETURNS TABLE behind the others
       (SELECT coalesce(array_agg(coalesce(p.proargnames[a.place], '') ORDER BY a.place), '{}')
        FROM generate_series(1, p.pronargs) a (place)) AS names,
       (SELECT coalesce(array_agg(format_type(a.type, NULL) ORDER BY a.place), '{}')
        FROM unnest(p.proargtypes) WITH ORDINALITY a (type, place)) AS types,
       CASE WHEN p.proargmodes IS NOT NULL THEN ARRAY(SELECT p.proargnames[a.place] FROM unnest(p.proallargtypes) WITH ORDINALITY a (type, place)
                WHERE a.place > p.pronargs ORDER BY a.place)
            WHEN t.typtype = 'c' THEN ARRAY(SELECT c.attname::text FROM pg_attribute c WHERE c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped ORDER BY c.attnum)
            ELSE ARRAY[''] END AS column_names,
       CASE WHEN p.proargmodes IS NOT NULL THEN ARRAY(SELECT format_type(a.type, NULL) FROM unnest(p.proallargtypes) WITH ORDINALITY a (type, place)
                WHERE a.place > p.pronargs ORDER BY a.place)
            WHEN t.typtype = 'c' THEN ARRAY(SELECT format_type(c.atttypid, c.atttypmod) FROM pg_attribute c WHERE c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped ORDER BY c.attnum)
            ELSE ARRAY[format_type(p.prorettype, NULL)] END AS column_types
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
JOIN pg_type t ON t.oid = p.prorettype
WHERE l.lanname = 'sql' AND p.prokind = 'f' AND NOT p.prosecdef AND p.proconfig IS NULL
  AND p.provariadic = 0 AND p.pronargdefaults = 0
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
  -- IN, and the columns of RETURNS TABLE
  AND (p.proargmodes IS NULL OR p.proargmodes <@ '{i,t}'::"char"[] AND p.proretset)
  AND (t.typtype IN ('b', 'd', 'e', 'r', 'm') OR p.proretset AND (t.typtype = 'c' OR p.proargmodes IS NOT NULL))
  AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) a (type) JOIN pg_type y ON y.oid = a.type WHERE y.typtype = 'p')
