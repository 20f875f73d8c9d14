-- One row a live column, in column order. The search_path is empty, so every name in an expression is qualified.
WITH RECURSIVE domains (domain, base, modifier, done) AS (
    SELECT t.oid, t.typbasetype, t.typtypmod, b.typtype <> 'd'
    FROM pg_type t JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd'
    UNION ALL
    SELECT d.domain, t.typbasetype, CASE WHEN d.modifier < 0 THEN t.typtypmod ELSE d.modifier END, b.typtype <> 'd'
    FROM domains d JOIN pg_type t ON t.oid = d.base JOIN pg_type b ON b.oid = t.typbasetype
    WHERE NOT d.done
), definer (default_id) AS (
    -- defaults that call, directly or by an operator, a volatile function with its owner's rights
    SELECT d.objid FROM pg_depend d
    LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
    WHERE d.classid = 'pg_attrdef'::regclass AND p.prosecdef
      AND p.pronamespace <> 'pg_catalog'::regnamespace
)
SELECT a.attrelid AS relation, a.attnum AS number, a.attname::text AS name, a.atttypid AS type_id,
       a.atttypmod AS type_modifier, format_type(a.atttypid, -1) AS type_name,
       format_type(a.atttypid, a.atttypmod) AS declared,
       CASE WHEN a.attcollation <> t.typcollation
            THEN (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co
                  JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END AS collation,
       a.attnotnull AS not_null,
       -- without a default of its own a column has its domain's
       coalesce(pg_get_expr(f.adbin, f.adrelid), CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) END) AS "default",
       a.attgenerated AS generated, a.attidentity AS identity,
       (SELECT format('%I.%I', sn.nspname, s.relname) FROM pg_depend d
        JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
        ORDER BY d.deptype DESC, s.oid LIMIT 1) AS sequence,
       format_type(dom.base, dom.modifier) AS base_type,
       f.oid IN (SELECT default_id FROM definer) IS TRUE AS definer_default
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
LEFT JOIN domains dom ON dom.domain = a.atttypid AND dom.done
WHERE a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY a.attrelid, a.attnum
