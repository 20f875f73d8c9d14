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
