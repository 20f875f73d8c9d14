-- What reads a head names the session itself now, so that an index gives its rows in order: see the sessions'
-- merged read. Two conditions of a kind would make the planner believe in a square of the rows, so this one is
-- in words that it takes to hold for almost all of them.
DO $$
DECLARE
    head text;
BEGIN
    FOR head IN
        SELECT format('%I.%I', p.schemaname, p.tablename) FROM pg_catalog.pg_policies p
        WHERE p.schemaname = 'pgdraft' AND p.policyname = 'pgdraft' AND p.tablename ~ '^d[0-9]+$'
    LOOP
        EXECUTE format('ALTER POLICY pgdraft ON %s USING (NULLIF(pgdraft_sid = (SELECT l.sid FROM pgdraft.live_session l), false) IS NOT NULL)', head);
    END LOOP;
END $$;
