-- Conflicts, history and the life of a session.

ALTER TABLE pgdraft.sessions
    DROP CONSTRAINT sessions_state_check,
    ADD CONSTRAINT sessions_state_check
        CHECK (state IN ('open', 'proposed', 'committed', 'discarded', 'reverted', 'expired')),
    -- What a commit did, table by table: the answer to a commit that is asked for again.
    ADD COLUMN applied jsonb,
    -- The committed sessions that a commit of this one undoes whole.
    ADD COLUMN reverts bigint[] NOT NULL DEFAULT '{}',
    -- From when on the rows of an ended session are not needed any more, and when they had gone.
    ADD COLUMN forget_at timestamptz,
    ADD COLUMN forgotten_at timestamptz;

-- Before this version an ended session's rows went with its end.
UPDATE pgdraft.sessions SET forget_at = ended_at, forgotten_at = ended_at WHERE ended_at IS NOT NULL;

-- What the background work looks for: never more than the few sessions that it has to do.
CREATE INDEX sessions_forget ON pgdraft.sessions (forget_at) WHERE forgotten_at IS NULL AND forget_at IS NOT NULL;
CREATE INDEX sessions_agent ON pgdraft.sessions (agent, ended_at);

-- The session whose rows this backend may see and write: its own, while that is live. Rows of an
-- ended session stay for a while, to look at and to undo a commit from; they are no draft any more,
-- and an agent that could change them could change what an undo writes. A view, because policies
-- look at it several times a statement: 3 us each, a function would take 7.
CREATE VIEW pgdraft.live_session WITH (security_barrier) AS
SELECT s.sid FROM pgdraft.sessions s WHERE s.sid = (SELECT pgdraft.sid()) AND s.ended_at IS NULL;
REVOKE ALL ON pgdraft.live_session FROM PUBLIC;
GRANT SELECT ON pgdraft.live_session TO {{agent}};

DO $$
DECLARE
    head text;
BEGIN
    FOR head IN
        SELECT format('%s.%s', p.schemaname, p.tablename) FROM pg_catalog.pg_policies p
        WHERE p.schemaname = 'pgdraft' AND p.policyname = 'pgdraft' AND p.tablename ~ '^d[0-9]+(_log)?$'
    LOOP
        EXECUTE format('ALTER POLICY pgdraft ON %s USING (pgdraft_sid = (SELECT l.sid FROM pgdraft.live_session l)) WITH CHECK (pgdraft_sid = (SELECT l.sid FROM pgdraft.live_session l))', head);
    END LOOP;
END $$;
