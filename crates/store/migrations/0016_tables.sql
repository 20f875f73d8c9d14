-- What tables of every kind need besides.

-- Rows without a key that a change of a table they are inherited into comes to.
CREATE FUNCTION pgdraft.not_told_apart(schema_name text, table_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000', SCHEMA = schema_name, TABLE = table_name,
        MESSAGE = format('rows of table "%s" cannot be changed or removed in a draft', table_name),
        DETAIL = format('%I.%I has no primary key and no unique key over NOT NULL columns, so its rows cannot be told apart.', schema_name, table_name),
        HINT = 'name the table it inherits from after ONLY, or ask for a primary key or for the columns that tell its rows apart in tables.key of pgdraft''s configuration';
END $$;
REVOKE ALL ON FUNCTION pgdraft.not_told_apart(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.not_told_apart(text, text) TO {{agent}};

-- BEFORE triggers that the configuration lets run in drafts, as the last `pgdraft serve` read them.
CREATE TABLE pgdraft.triggers (
    schema_name text NOT NULL,
    table_name text NOT NULL,
    trigger_name text NOT NULL,
    PRIMARY KEY (schema_name, table_name, trigger_name)
);
REVOKE ALL ON pgdraft.triggers FROM PUBLIC;

-- As in 0013: this belongs to the user that installs. The tables on which production's triggers fire in
-- drafts give way as heads do.
RESET ROLE;

CREATE OR REPLACE FUNCTION pgdraft.needs()
RETURNS TABLE (head integer, class_id oid, object_id oid, column_number integer, needed_class oid, needed oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH relations AS (
        SELECT substring(c.relname FROM '^d([0-9]+)')::integer AS head, c.oid
        FROM pg_class c WHERE c.relnamespace = 'pgdraft'::regnamespace AND c.relkind IN ('r', 'c') AND c.relname ~ '^d[0-9]{1,9}(_log|_in|_insert|_update|_row)?$'
    ), parts (head, class_id, object_id) AS (
        SELECT r.head, 'pg_class'::regclass::oid, r.oid FROM relations r
        UNION ALL SELECT r.head, 'pg_class'::regclass, i.indexrelid FROM relations r JOIN pg_index i ON i.indrelid = r.oid
        UNION ALL SELECT r.head, 'pg_attrdef'::regclass, f.oid FROM relations r JOIN pg_attrdef f ON f.adrelid = r.oid
        UNION ALL SELECT r.head, 'pg_constraint'::regclass, k.oid FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid
        UNION ALL SELECT r.head, 'pg_trigger'::regclass, g.oid FROM relations r JOIN pg_trigger g ON g.tgrelid = r.oid
        UNION ALL SELECT substring(obj_description(p.oid, 'pg_proc') FROM '^the diff of pgdraft\.d([0-9]{1,9})$')::integer, 'pg_proc'::regclass, p.oid
            FROM pg_proc p WHERE p.pronamespace = 'pgdraft'::regnamespace
    )
    SELECT p.head, p.class_id, p.object_id, d.objsubid, d.refclassid, d.refobjid
    FROM parts p JOIN pg_depend d ON d.classid = p.class_id AND d.objid = p.object_id
    WHERE p.head IS NOT NULL AND d.refobjid >= 16384 AND d.deptype = 'n'
      AND d.refclassid NOT IN ('pg_class'::regclass, 'pg_namespace'::regclass)
      AND NOT EXISTS (SELECT FROM pg_proc f WHERE d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
                      AND f.pronamespace = 'pgdraft'::regnamespace)
      AND NOT EXISTS (SELECT FROM pg_type y WHERE d.refclassid = 'pg_type'::regclass AND y.oid = d.refobjid
                      AND y.typnamespace = 'pgdraft'::regnamespace)
$$;

CREATE OR REPLACE FUNCTION pgdraft.step_aside(number integer, domains boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tables regclass[] := array_remove(ARRAY[to_regclass('pgdraft.d' || number), to_regclass('pgdraft.d' || number || '_log'),
                                            to_regclass('pgdraft.d' || number || '_in')], NULL);
    name regclass;
    part record;
    statement text;
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS pgdraft.d%1$s_insert, pgdraft.d%1$s_update CASCADE', number);
    EXECUTE format('DROP TYPE IF EXISTS pgdraft.d%s_row CASCADE', number);
    FOREACH name IN ARRAY tables LOOP
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', name);
    END LOOP;
    FOR statement IN
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname) FROM pg_constraint k
        WHERE k.conrelid = ANY (tables) AND k.contype = 'c'
        UNION ALL
        SELECT format('DROP INDEX %s', i.indexrelid::regclass) FROM pg_index i
        WHERE i.indrelid = ANY (tables) AND (NOT i.indisunique OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
        UNION ALL
        SELECT format(CASE a.attgenerated WHEN '' THEN 'ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT' ELSE 'ALTER TABLE %s DROP COLUMN %I' END,
                      a.attrelid::regclass, a.attname)
        FROM pg_attribute a WHERE a.attrelid = ANY (tables) AND a.atthasdef AND NOT a.attisdropped AND a.attname !~ '^pgdraft_'
        UNION ALL
        SELECT format('DROP FUNCTION %s', p.oid::regprocedure) FROM pg_proc p
        WHERE p.pronamespace = 'pgdraft'::regnamespace AND obj_description(p.oid, 'pg_proc') = format('the diff of pgdraft.d%s', number)
    LOOP
        EXECUTE statement;
    END LOOP;
    IF EXISTS (SELECT FROM pg_index i WHERE i.indrelid = ANY (tables) AND i.indexprs IS NOT NULL) OR EXISTS (
        SELECT FROM pg_constraint k WHERE k.conrelid = ANY (tables) AND k.contype NOT IN ('p', 'u', 't')) THEN
        RAISE EXCEPTION 'the head % has more than it should', number;
    END IF;
    -- twice, because a domain may be made of what is in the way itself
    FOR pass IN 1..2 LOOP
        FOR part IN
            SELECT DISTINCT a.attrelid::regclass AS relation, a.attname AS name, t.typtype = 'd' AS is_domain, a.atttypid, a.atttypmod
            FROM pgdraft.in_the_way(domains) w JOIN pg_attribute a ON a.attrelid = w.object_id AND a.attnum = w.column_number
            JOIN pg_type t ON t.oid = a.atttypid
            WHERE w.head = number AND w.class_id = 'pg_class'::regclass AND w.column_number > 0 AND a.attrelid = ANY (tables)
        LOOP
            -- concat() asks the type's output function alone, a cast could be anybody's
            EXECUTE format(CASE WHEN part.is_domain THEN 'ALTER TABLE %1$s ALTER COLUMN %2$I TYPE %3$s'
                                ELSE 'ALTER TABLE %1$s ALTER COLUMN %2$I TYPE text COLLATE "default" '
                                     'USING CASE WHEN num_nulls(%2$I) = 0 THEN concat(%2$I) END' END,
                           part.relation, part.name, pgdraft.made_of(part.atttypid, part.atttypmod));
        END LOOP;
    END LOOP;
    EXECUTE format('ALTER TABLE pgdraft.d%s ADD CONSTRAINT pgdraft_gave_way CHECK (pgdraft.head_gave_way(%L)) NOT VALID',
                   number, obj_description(format('pgdraft.d%s', number)::regclass, 'pg_class'));
END $$;

SET LOCAL ROLE {{control}};
