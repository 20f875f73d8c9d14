-- What a change that names one row by its key looks at only where it does not find it.

-- Notes that a change needs an operation that left a row otherwise than the change looks for it. With the
-- rights of the one who writes: the statement itself would note it as well, and open the table for it each time.
CREATE FUNCTION pgdraft.note_missed(of_table integer, needs bigint, keys text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- not itself, which may have removed the row before
    IF note_missed.needs <> pgdraft.op() THEN
        INSERT INTO pgdraft.read_rows (table_id, needs, keys, rows, sought)
        VALUES (of_table, note_missed.needs, note_missed.keys, 1, true) ON CONFLICT DO NOTHING;
    END IF;
END $$;
REVOKE ALL ON FUNCTION pgdraft.note_missed(integer, bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.note_missed(integer, bigint, text[]) TO {{agent}};
