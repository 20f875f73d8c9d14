-- What a draft answered otherwise than PostgreSQL.

-- Raised where the name of a table means another one than a statement was written for. It is called in the branch
-- of a CASE that PostgreSQL does not plan as long as the name is right; being immutable it is called
-- while the statement is planned, so that no row of the other table is read first.
CREATE FUNCTION pgdraft.replaced(name text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'ZD006', MESSAGE = format('table %s was dropped just now', name),
        DETAIL = 'Another table has its name. What this session changed in the one before goes with that one.',
        HINT = 'Run the statement again.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.replaced(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.replaced(text) TO {{agent}}, {{control}}, {{keeper}};

-- setval of a sequence of the session's own; begin_write came before. Where this connection drew from production's
-- last of all, lastval() tells what was set: so the session's own becomes the one that was drawn from last. Which
-- one that was PostgreSQL does not say; it is taken for the one whose last number is the same.
CREATE OR REPLACE FUNCTION pgdraft.setval(sequence regclass, value bigint, called boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own_sid bigint := pgdraft.sid();
    own oid := pgdraft.own_sequence(own_sid, sequence);
    base text := (SELECT c.relname FROM pg_class c WHERE c.oid = sequence AND c.relkind = 'S');
    message text;
    latest bigint;
    was_set bigint;
BEGIN
    IF own_sid = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no session', HINT = 'Connect through pgdraft.';
    END IF;
    IF base IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('"%s" is not a sequence', (SELECT c.relname FROM pg_class c WHERE c.oid = sequence));
    END IF;
    PERFORM pgdraft.may_draw(sequence);
    latest := pgdraft.drawn_last(sequence, own);
    IF own IS NULL THEN
        own := pgdraft.make_sequence(own_sid, pgdraft.op(), sequence, false);
    END IF;
    was_set := pg_catalog.setval(own, value, called);
    IF latest IS NOT NULL THEN
        PERFORM pg_catalog.setval(own, latest, false);
        PERFORM pg_catalog.nextval(own);
        was_set := pg_catalog.setval(own, value, called);
    END IF;
    RETURN was_set;
EXCEPTION WHEN numeric_value_out_of_range THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
    RAISE EXCEPTION USING ERRCODE = '22003',
        MESSAGE = regexp_replace(message, '"s[0-9]+_[0-9a-f]{32}"', replace(format('"%s"', base), '\', '\\'));
END $$;

-- The number that this connection drew from production's sequence, if it did so last of all and has not
-- drawn from the session's own.
CREATE FUNCTION pgdraft.drawn_last(sequence oid, own oid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF own IS NOT NULL THEN
        BEGIN
            PERFORM currval(own);
            RETURN NULL;
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            NULL;
        END;
    END IF;
    IF currval(sequence) = lastval() THEN
        RETURN lastval();
    END IF;
    RETURN NULL;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pgdraft.drawn_last(oid, oid) FROM PUBLIC;
ALTER FUNCTION pgdraft.drawn_last(oid, oid) OWNER TO {{keeper}};

-- Raised where the row of a cursor is not the one that has its key now: it was removed, or got another key, and
-- another row of the same operation took this one.
CREATE FUNCTION pgdraft.key_taken(cursor_name text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = format('the row that cursor "%s" is on has left its key, and another row has it now', cursor_name),
        HINT = 'Change rows by their present keys.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.key_taken(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.key_taken(text) TO {{agent}};
