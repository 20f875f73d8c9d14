-- What drafts of more kinds of tables need.

-- The key of the row that a cursor is on, as texts: what a change WHERE CURRENT OF it asks. Which of its columns
-- are the key stands in a comment that pgdraft put into its declaration.
CREATE FUNCTION pgdraft.current_of(cursor_name text, relation oid, relation_name text) RETURNS text[]
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS $$
DECLARE
    declared pg_cursors;
    mark text;
    places text;
    position refcursor := cursor_name;
    found_row record;
    keys text[];
BEGIN
    SELECT * INTO declared FROM pg_cursors c WHERE c.name = cursor_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '34000', MESSAGE = format('cursor "%s" does not exist', cursor_name);
    END IF;
    IF declared.is_holdable AND declared.creation_time < transaction_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = '24000',
            MESSAGE = format('cursor "%s" is held from a previous transaction', cursor_name);
    END IF;
    mark := substring(declared.statement from '/\*pgdraft:([^*]*)\*/');
    IF (SELECT count(*) FROM regexp_matches(mark, format('\m%s:', relation), 'g')) > 1 THEN
        RAISE EXCEPTION USING ERRCODE = '24000',
            MESSAGE = format('cursor "%s" has multiple FOR UPDATE/SHARE references to table "%s"', cursor_name, relation_name);
    END IF;
    places := substring(mark from format('\m%s:([0-9,-]+)', relation));
    IF places IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '24000', MESSAGE = CASE WHEN starts_with(mark, 'update ')
            THEN format('cursor "%s" does not have a FOR UPDATE/SHARE reference to table "%s"', cursor_name, relation_name)
            ELSE format('cursor "%s" is not a simply updatable scan of table "%s"', cursor_name, relation_name) END;
    END IF;
    IF places = '-' OR NOT declared.is_scrollable THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('the row of table "%s" that cursor "%s" is on cannot be told in a draft', relation_name, cursor_name),
            DETAIL = CASE WHEN places = '-' THEN 'The cursor does not give the columns of the table''s key.'
                ELSE 'The cursor was declared with NO SCROLL.' END,
            HINT = CASE WHEN places = '-' THEN 'Name the key''s columns in its query.' ELSE 'Leave NO SCROLL out.' END;
    END IF;
    FETCH RELATIVE 0 FROM position INTO found_row;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '24000', MESSAGE = format('cursor "%s" is not positioned on a row', cursor_name);
    END IF;
    SELECT array_agg(v.value ORDER BY p.ordinality) INTO keys
    FROM unnest(string_to_array(places, ',')::int[]) WITH ORDINALITY AS p (place, ordinality)
    JOIN json_each_text(row_to_json(found_row)) WITH ORDINALITY AS v (name, value, place) ON v.place = p.place;
    RETURN keys;
END $$;

-- Raised where the cursor's row has another key since: the cursor does not know it.
CREATE FUNCTION pgdraft.key_left(cursor_name text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = format('the row that cursor "%s" is on has another key since, and cannot be found by it in a draft', cursor_name),
        HINT = 'Change the row by its present key.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.current_of(text, oid, text), pgdraft.key_left(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.current_of(text, oid, text), pgdraft.key_left(text) TO {{agent}};

-- Heads give way to production's DDL. A head has columns of production's types and conditions that call
-- its functions, and PostgreSQL would not drop what heads still need though production's tables do not.
-- An event trigger on ddl_command_start, made by `pgdraft init --event-trigger`, takes the heads that are
-- behind their tables out of the way, in the transaction of that DDL. They keep their rows and are made
-- anew, with them, when pgdraft looks at the catalog the next time.

-- Stands in a head that waits to be made anew: nothing is written to it until then.
CREATE FUNCTION pgdraft.head_gave_way(head text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'ZD006', MESSAGE = 'the table has changed and its draft has yet to follow',
        DETAIL = 'This is about the ' || head || '.', HINT = 'Run the statement again in a few seconds.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.head_gave_way(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.head_gave_way(text) TO {{agent}}, {{keeper}};

-- The rest belongs to the user that installs, because it runs with the rights of whoever changes the
-- schema, often a superuser's. So it calls nothing, and reads no table, of a role with fewer rights, and
-- evaluates nothing of theirs: under the lock it takes, a head has lost whatever could be evaluated.
RESET ROLE;

-- What heads, logs, inlets and their functions need of production: the head's number, what of it, and
-- what that needs.
CREATE FUNCTION pgdraft.needs()
RETURNS TABLE (head integer, class_id oid, object_id oid, column_number integer, needed_class oid, needed oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH relations AS (
        SELECT substring(c.relname FROM '^d([0-9]+)')::integer AS head, c.oid
        FROM pg_class c WHERE c.relnamespace = 'pgdraft'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^d[0-9]{1,9}(_log|_in)?$'
    ), parts (head, class_id, object_id) AS (
        SELECT r.head, 'pg_class'::regclass::oid, r.oid FROM relations r
        UNION ALL SELECT r.head, 'pg_class'::regclass, i.indexrelid FROM relations r JOIN pg_index i ON i.indrelid = r.oid
        UNION ALL SELECT r.head, 'pg_attrdef'::regclass, f.oid FROM relations r JOIN pg_attrdef f ON f.adrelid = r.oid
        UNION ALL SELECT r.head, 'pg_constraint'::regclass, k.oid FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid
        UNION ALL SELECT substring(obj_description(p.oid, 'pg_proc') FROM '^the diff of pgdraft\.d([0-9]{1,9})$')::integer, 'pg_proc'::regclass, p.oid
            FROM pg_proc p WHERE p.pronamespace = 'pgdraft'::regnamespace
    )
    SELECT p.head, p.class_id, p.object_id, d.objsubid, d.refclassid, d.refobjid
    FROM parts p JOIN pg_depend d ON d.classid = p.class_id AND d.objid = p.object_id
    WHERE p.head IS NOT NULL AND d.refobjid >= 16384 AND d.deptype = 'n'
      AND d.refclassid NOT IN ('pg_class'::regclass, 'pg_namespace'::regclass)
      AND NOT EXISTS (SELECT FROM pg_proc f WHERE d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
                      AND f.pronamespace = 'pgdraft'::regnamespace)
$$;

-- Those of which none of production's own relations has need any more. With `domains` every column of a
-- domain besides: where a domain gets a constraint PostgreSQL would look at the drafts' rows too.
CREATE FUNCTION pgdraft.in_the_way(domains boolean)
RETURNS TABLE (head integer, class_id oid, object_id oid, column_number integer)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.head, n.class_id, n.object_id, n.column_number FROM pgdraft.needs() n
    WHERE NOT EXISTS (
        SELECT FROM pg_depend u
        JOIN pg_class c ON c.oid = CASE u.classid
            WHEN 'pg_class'::regclass THEN u.objid
            WHEN 'pg_attrdef'::regclass THEN (SELECT f.adrelid FROM pg_attrdef f WHERE f.oid = u.objid)
            WHEN 'pg_constraint'::regclass THEN (SELECT k.conrelid FROM pg_constraint k WHERE k.oid = u.objid)
            WHEN 'pg_rewrite'::regclass THEN (SELECT w.ev_class FROM pg_rewrite w WHERE w.oid = u.objid)
            WHEN 'pg_policy'::regclass THEN (SELECT y.polrelid FROM pg_policy y WHERE y.oid = u.objid)
            WHEN 'pg_trigger'::regclass THEN (SELECT g.tgrelid FROM pg_trigger g WHERE g.oid = u.objid) END
        WHERE u.refclassid = n.needed_class AND u.refobjid = n.needed AND u.deptype <> 'i'
          AND c.relnamespace <> 'pgdraft'::regnamespace)
    UNION ALL
    SELECT n.head, n.class_id, n.object_id, n.column_number FROM pgdraft.needs() n
    WHERE domains AND n.class_id = 'pg_class'::regclass AND n.column_number > 0
      AND EXISTS (SELECT FROM pg_type t WHERE t.oid = n.needed AND t.typtype = 'd')
$$;

-- What a domain is made of, whatever number of domains lies between.
CREATE FUNCTION pgdraft.made_of(of_type oid, modifier integer) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
BEGIN
    LOOP
        SELECT t.typtype, t.typbasetype, t.typtypmod INTO found FROM pg_type t WHERE t.oid = of_type;
        EXIT WHEN found.typtype IS DISTINCT FROM 'd';
        of_type := found.typbasetype;
        modifier := CASE WHEN modifier < 0 THEN found.typtypmod ELSE modifier END;
    END LOOP;
    RETURN format_type(of_type, modifier);
END $$;

-- Takes one head out of the way: its conditions, defaults and indexes go, and a column of a type that is in
-- the way becomes what the domain is made of, or text. The values stay.
CREATE FUNCTION pgdraft.step_aside(number integer, domains boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tables regclass[] := array_remove(ARRAY[to_regclass('pgdraft.d' || number), to_regclass('pgdraft.d' || number || '_log'),
                                            to_regclass('pgdraft.d' || number || '_in')], NULL);
    name regclass;
    part record;
    statement text;
BEGIN
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

-- The event trigger's function.
CREATE FUNCTION pgdraft.give_way() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
    agents oid := to_regrole({{agent_literal}});
    domains boolean := tg_tag = 'ALTER DOMAIN';
    number integer;
    tries integer;
BEGIN
    -- not for what happens here, nor for the control plane's own changes, nor for temporary tables of agents
    IF current_setting('pgdraft.giving_way', true) = 'on' OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = session_user AND r.oid = agents) THEN
        RETURN;
    END IF;
    PERFORM set_config('pgdraft.giving_way', 'on', true);
    FOR number IN SELECT DISTINCT w.head FROM pgdraft.in_the_way(domains) w ORDER BY 1 LOOP
        tries := 0;
        LOOP
            tries := tries + 1;
            BEGIN
                PERFORM pgdraft.step_aside(number, domains);
                EXIT;
            EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                IF tries = 3 THEN
                    RAISE;
                END IF;
                -- an agent's transaction on the draft alone: production goes first
                PERFORM pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                WHERE l.locktype = 'relation' AND l.database = a.datid AND a.usesysid = agents
                  AND l.relation = ANY (ARRAY[to_regclass('pgdraft.d' || number), to_regclass('pgdraft.d' || number || '_log'),
                                              to_regclass('pgdraft.d' || number || '_in')]::oid[]);
                PERFORM set_config('lock_timeout', '2s', true);
            END;
        END LOOP;
    END LOOP;
    PERFORM set_config('pgdraft.giving_way', '', true);
-- what is in the way stays there then, and PostgreSQL says so
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'pgdraft: a head could not give way: %', SQLERRM;
END $$;
REVOKE ALL ON FUNCTION pgdraft.needs(), pgdraft.in_the_way(boolean), pgdraft.made_of(oid, integer),
    pgdraft.step_aside(integer, boolean), pgdraft.give_way() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.needs() TO {{control}};
SET LOCAL ROLE {{control}};
