-- Every function, pg_catalog's included, and every operator outside it with the function behind.
-- An aggregate is as volatile as the most volatile function it is made of ('i' < 's' < 'v'): what
-- CREATE AGGREGATE itself writes down says nothing of them. Its source is theirs that are not immutable.
SELECT p.oid AS id, n.nspname::text AS schema, p.proname::text AS name,
       (CASE WHEN p.prokind = 'a' AND p.pronamespace <> 'pg_catalog'::regnamespace THEN
            (SELECT max(f.provolatile::text) FROM pg_aggregate a JOIN pg_proc f ON f.oid IN
                 (a.aggfnoid, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                  a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
             WHERE a.aggfnoid = p.oid)
        ELSE p.provolatile::text END)::"char" AS volatility,
       (CASE WHEN p.prokind = 'a' AND p.pronamespace <> 'pg_catalog'::regnamespace THEN
            (SELECT bool_or(f.prosecdef) FROM pg_aggregate a JOIN pg_proc f ON f.oid IN
                 (a.aggfnoid, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                  a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
             WHERE a.aggfnoid = p.oid)
        ELSE p.prosecdef END) AS security_definer, l.lanname::text AS language,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AS extension,
       p.prokind = 'a' AS aggregate,
       CASE WHEN p.pronamespace = 'pg_catalog'::regnamespace THEN '{}'
            ELSE p.proargtypes::oid[] || p.prorettype || coalesce(p.proallargtypes, '{}') END AS types,
       CASE WHEN p.pronamespace = 'pg_catalog'::regnamespace THEN NULL
            WHEN l.lanname IN ('sql', 'plpgsql') AND p.prokind = 'f' THEN coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)
            WHEN p.prokind = 'a' THEN
            (SELECT CASE WHEN bool_and(t.lanname IN ('sql', 'plpgsql'))
                    THEN string_agg(coalesce(pg_get_function_sqlbody(f.oid), f.prosrc), E'\n') END
             FROM pg_aggregate a JOIN pg_proc f ON f.provolatile <> 'i' AND f.oid IN
                 (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                  a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
             JOIN pg_language t ON t.oid = f.prolang
             WHERE a.aggfnoid = p.oid) END AS source,
       NULL::text AS operator
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
UNION ALL
SELECT p.oid, n.nspname::text, p.proname::text, p.provolatile, p.prosecdef, l.lanname::text,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'),
       false,
       CASE WHEN p.pronamespace = 'pg_catalog'::regnamespace THEN '{}'
            ELSE p.proargtypes::oid[] || p.prorettype || coalesce(p.proallargtypes, '{}') END,
       NULL, o.oprname::text
FROM pg_operator o
JOIN pg_proc p ON p.oid = o.oprcode::oid
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
WHERE o.oprnamespace <> 'pg_catalog'::regnamespace
