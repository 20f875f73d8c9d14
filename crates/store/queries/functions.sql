-- Every function, pg_catalog's included.
-- An aggregate is what the functions are that it is made of: as volatile as the most volatile one ('i' < 's' < 'v'),
-- since what CREATE AGGREGATE itself writes down says nothing of them; its source is theirs. A source has the defaults of arguments too.
SELECT p.oid AS id, n.nspname::text AS schema, p.proname::text AS name,
       coalesce(a.volatility, p.provolatile::text)::"char" AS volatility,
       coalesce(a.security_definer, p.prosecdef) AS security_definer,
       CASE WHEN a.told THEN 'sql' ELSE l.lanname::text END AS language,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AS extension,
       p.prokind = 'a' AS aggregate, p.proretset AS rows,
       CASE WHEN p.pronamespace = 'pg_catalog'::regnamespace THEN '{}'
            ELSE p.proargtypes::oid[] || p.prorettype || coalesce(p.proallargtypes, '{}') END AS types,
       CASE WHEN n.nspname IN ('pg_catalog', 'information_schema') THEN NULL
            WHEN p.prokind = 'a' THEN a.source
            WHEN p.prokind IN ('f', 'w') AND l.lanname NOT IN ('c', 'internal')
            THEN concat_ws(E'\n', coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), pg_get_expr(p.proargdefaults, 0)) END AS source
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN (
    SELECT a.aggfnoid AS id, max(f.provolatile::text) AS volatility, bool_or(f.prosecdef) AS security_definer,
           bool_and(t.lanname IN ('sql', 'plpgsql') OR f.provolatile = 'i' AND t.lanname IN ('c', 'internal')) AS told,
           string_agg(coalesce(pg_get_function_sqlbody(f.oid), f.prosrc), E'\n') FILTER (WHERE t.lanname NOT IN ('c', 'internal')) AS source
    FROM pg_aggregate a
    JOIN pg_proc p ON p.oid = a.aggfnoid AND p.pronamespace <> 'pg_catalog'::regnamespace
    JOIN pg_proc f ON f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                                a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
    JOIN pg_language t ON t.oid = f.prolang
    GROUP BY a.aggfnoid
) a ON a.id = p.oid
