-- Histories, undo and clean-up.

-- Heads and logs that are there are vacuumed as often as new ones.
DO $$
DECLARE
    number integer;
BEGIN
    FOR number IN SELECT t.id FROM pgdraft.tables t LOOP
        PERFORM pgdraft.run(format(
            'ALTER TABLE pgdraft.d%1$s SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02); '
            'ALTER TABLE pgdraft.d%1$s_log SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02)', number), NULL);
    END LOOP;
END $$;
