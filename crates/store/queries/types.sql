-- Functions that run without being called by name: one row a (type, function). Those that may write with their owner's
-- rights, and of checks, casts and the like those whose text says what they read.
-- A type runs what checks, reads and converts its values, and what its parts run. No type: any statement runs it.
WITH RECURSIVE used (class_id, object_id, function) AS (
    SELECT d.classid, d.objid, CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
    FROM pg_depend d LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
), own (type, function, reads_too) AS (
    -- checks of domains; input, output, canonical and other functions of types; defaults of domains
    SELECT c.contypid, u.function, true FROM pg_constraint c
    JOIN used u ON u.class_id = 'pg_constraint'::regclass AND u.object_id = c.oid WHERE c.contypid <> 0
    UNION
    SELECT u.object_id, u.function, true FROM used u WHERE u.class_id = 'pg_type'::regclass
    UNION
    -- a cast: whoever has no value of the user's type cannot run it
    SELECT CASE WHEN s.typnamespace <> 'pg_catalog'::regnamespace THEN s.oid
                WHEN t.typnamespace <> 'pg_catalog'::regnamespace THEN t.oid ELSE 0 END, c.castfunc, true
    FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
    WHERE c.castfunc <> 0
    UNION
    -- sorting, hashing and comparing by an operator class
    SELECT CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace THEN t.oid ELSE 0 END, p.amproc::oid, true
    FROM pg_amproc p JOIN pg_type t ON t.oid = p.amproclefttype
    UNION
    SELECT CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace THEN t.oid ELSE 0 END, o.oprcode::oid, true
    FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_type t ON t.oid = a.amoplefttype
    UNION
    -- expressions of a table that a statement runs: of its indexes and its generated columns
    SELECT c.reltype, u.function, false FROM used u JOIN pg_index i ON i.indexrelid = u.object_id
    JOIN pg_class c ON c.oid = i.indrelid WHERE u.class_id = 'pg_class'::regclass
    UNION
    -- what partitions by; before PostgreSQL 15 generated columns too
    SELECT c.reltype, u.function, false FROM used u JOIN pg_class c ON c.oid = u.object_id AND c.relkind IN ('r', 'p')
    WHERE u.class_id = 'pg_class'::regclass
    UNION
    SELECT c.reltype, u.function, false FROM used u
    JOIN pg_attrdef f ON u.class_id = 'pg_attrdef'::regclass AND f.oid = u.object_id
    JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> ''
    JOIN pg_class c ON c.oid = f.adrelid
), calls (root, function) AS (
    -- a body is text: a function whose name stands in it is taken to be called
    SELECT p.oid, p.oid FROM pg_proc p
    WHERE p.oid IN (SELECT function FROM own) AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'pgdraft'::regnamespace)
    UNION
    SELECT c.root, g.oid FROM calls c JOIN pg_proc f ON f.oid = c.function
    JOIN pg_language l ON l.oid = f.prolang AND l.lanname NOT IN ('c', 'internal')
    JOIN pg_proc g ON strpos(lower(f.prosrc), lower(g.proname)) > 0
        OR EXISTS (SELECT FROM used u WHERE u.class_id = 'pg_proc'::regclass AND u.object_id = f.oid AND u.function = g.oid)
    WHERE g.pronamespace NOT IN ('pg_catalog'::regnamespace, 'pgdraft'::regnamespace)
), privileged (function) AS (
    SELECT DISTINCT c.root FROM calls c JOIN pg_proc p ON p.oid = c.function
    JOIN pg_language l ON l.oid = p.prolang
    WHERE p.prosecdef OR (l.lanname = 'plpgsql' AND p.prosrc ~* '\mexecute\M')
), told (function) AS (
    SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'pgdraft'::regnamespace)
), parts (type, part) AS (
    SELECT t.oid, unnest(ARRAY[t.typelem, t.typbasetype]) FROM pg_type t WHERE t.typelem <> 0 OR t.typbasetype <> 0
    UNION ALL SELECT r.rngtypid, r.rngsubtype FROM pg_range r
    UNION ALL SELECT m.oid, r.rngtypid FROM pg_range r
        JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = r.rngtypid AND d.classid = 'pg_type'::regclass
        JOIN pg_type m ON m.oid = d.objid AND m.typtype = 'm'
    UNION ALL SELECT c.reltype, a.atttypid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.reltype <> 0 AND a.attnum > 0 AND NOT a.attisdropped
    -- an expression that names a type: of a domain's or table's check, a default, an index, a view
    UNION ALL SELECT CASE WHEN k.contypid <> 0 THEN k.contypid ELSE c.reltype END, d.refobjid
        FROM pg_depend d JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
        LEFT JOIN pg_class c ON c.oid = k.conrelid WHERE d.refclassid = 'pg_type'::regclass
    UNION ALL SELECT c.reltype, d.refobjid
        FROM pg_depend d JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
        JOIN pg_class c ON c.oid = f.adrelid WHERE d.refclassid = 'pg_type'::regclass
    UNION ALL SELECT c.reltype, d.refobjid
        FROM pg_depend d JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
        JOIN pg_class c ON c.oid = i.indrelid WHERE d.refclassid = 'pg_type'::regclass
    UNION ALL SELECT c.reltype, d.refobjid
        FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
        JOIN pg_class c ON c.oid = w.ev_class WHERE d.refclassid = 'pg_type'::regclass
    -- a view runs what the relations it reads run
    UNION ALL SELECT c.reltype, u.reltype
        FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
        JOIN pg_class c ON c.oid = w.ev_class JOIN pg_class u ON d.refclassid = 'pg_class'::regclass AND u.oid = d.refobjid
), runs (type, function) AS (
    SELECT o.type, o.function FROM own o WHERE o.function IN (SELECT function FROM privileged)
        OR o.reads_too AND o.function IN (SELECT function FROM told)
    UNION
    SELECT p.type, r.function FROM runs r JOIN parts p ON p.part = r.type AND p.type <> r.type WHERE r.type <> 0
)
SELECT r.type, coalesce(t.typname::text, '') AS name, nullif(t.typrelid, 0) AS relation, r.function,
       r.function IN (SELECT function FROM privileged) AS writes
FROM runs r LEFT JOIN pg_type t ON t.oid = r.type
ORDER BY 1, 4
