-- A base table and, written by hand, what a draft of it needs.
CREATE TABLE orders (
    id int PRIMARY KEY,
    name text NOT NULL,
    qty int DEFAULT 1 CONSTRAINT orders_qty_check CHECK (qty >= 0)
);
INSERT INTO orders SELECT n, 'base ' || n, n FROM generate_series(1, 5) n;
CREATE TABLE plain (id int PRIMARY KEY, v text);
INSERT INTO plain VALUES (1, 'a'), (2, 'b');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO agent;

CREATE SCHEMA pgdraft;
GRANT USAGE ON SCHEMA pgdraft TO agent;
CREATE TABLE pgdraft.sessions (
    sid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text UNIQUE,
    agent text,
    state text DEFAULT 'open'
);
CREATE TABLE pgdraft.operations (
    sid bigint,
    op bigint GENERATED ALWAYS AS IDENTITY,
    name text,
    xid xid8,
    statement text
);
CREATE FUNCTION pgdraft.sid() RETURNS bigint STABLE LANGUAGE sql AS
    $$ SELECT nullif(split_part(current_setting('pgdraft.tok', true), '.', 1), '')::bigint $$;
CREATE FUNCTION pgdraft.bind(token text) RETURNS bigint LANGUAGE sql AS
    $$ SELECT split_part(set_config('pgdraft.tok', token, false), '.', 1)::bigint $$;
CREATE FUNCTION pgdraft.op() RETURNS bigint STABLE LANGUAGE sql AS
    $$ SELECT current_setting('pgdraft.op')::bigint $$;
CREATE FUNCTION pgdraft.other_session() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RAISE 'the connection is bound to another session' USING ERRCODE = '28000';
END $$;

CREATE FUNCTION pgdraft.begin_write(operation text, statement text, tables int[]) RETURNS bigint
SECURITY DEFINER LANGUAGE plpgsql AS $$
DECLARE number bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(pgdraft.sid());
    IF pgdraft.sid() IS NULL THEN
        RAISE 'no session' USING ERRCODE = 'ZD003';
    END IF;
    IF (SELECT s.state FROM pgdraft.sessions s WHERE s.sid = pgdraft.sid() FOR SHARE) <> 'open' THEN
        RAISE 'the session has ended' USING ERRCODE = 'ZD002', HINT = 'Connect with another session id.';
    END IF;
    SELECT o.op INTO number FROM pgdraft.operations o
        WHERE o.sid = pgdraft.sid() AND o.xid = pg_current_xact_id()
        AND o.name IS NOT DISTINCT FROM operation;
    IF number IS NULL THEN
        INSERT INTO pgdraft.operations (sid, name, xid, statement)
            VALUES (pgdraft.sid(), operation, pg_current_xact_id(), statement)
            RETURNING op INTO number;
    END IF;
    PERFORM set_config('pgdraft.op', number::text, true);
    RETURN number;
END $$;
CREATE FUNCTION pgdraft.note_reads(tables int[]) RETURNS void LANGUAGE sql AS $$ SELECT $$;
CREATE TABLE pgdraft.read_rows (
    sid bigint NOT NULL DEFAULT pgdraft.sid(),
    op bigint NOT NULL DEFAULT pgdraft.op(),
    table_id int,
    needs bigint,
    keys text[],
    rows bigint,
    sought boolean,
    PRIMARY KEY (sid, op, table_id, needs, sought)
);
CREATE FUNCTION pgdraft.note_missed(of_table int, needs bigint, keys text[]) RETURNS void LANGUAGE sql AS $$ SELECT $$;
CREATE FUNCTION pgdraft.dup_guard(live boolean, s text, t text, c text, d text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF live THEN
        RAISE 'duplicate key value violates unique constraint "%"', c
            USING ERRCODE = '23505', DETAIL = d, SCHEMA = s, TABLE = t, CONSTRAINT = c;
    END IF;
    RETURN true;
END $$;
CREATE TABLE pgdraft.d7 (
    id int NOT NULL,
    name text NOT NULL,
    qty int DEFAULT 1 CONSTRAINT orders_qty_check CHECK (qty >= 0),
    pgdraft_sid bigint NOT NULL DEFAULT pgdraft.sid(),
    pgdraft_op bigint NOT NULL DEFAULT pgdraft.op(),
    pgdraft_live boolean NOT NULL DEFAULT true,
    pgdraft_new boolean NOT NULL DEFAULT true,
    pgdraft_moved boolean NOT NULL DEFAULT false,
    PRIMARY KEY (pgdraft_sid, id)
);
CREATE TABLE pgdraft.d7_log (
    pgdraft_sid bigint DEFAULT pgdraft.sid(),
    pgdraft_op bigint DEFAULT pgdraft.op(),
    pgdraft_kind "char",
    id int,
    name text,
    qty int,
    PRIMARY KEY (pgdraft_sid, pgdraft_op, id)
);
CREATE TABLE pgdraft.d7_in (id int, name text, qty int DEFAULT 1);
CREATE FUNCTION pgdraft.d7_in() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO pgdraft.d7 (id, name, qty) SELECT id, name, qty FROM n;
    DELETE FROM pgdraft.d7_in;
    RETURN NULL;
END $$;
CREATE TRIGGER d7_in AFTER INSERT ON pgdraft.d7_in REFERENCING NEW TABLE AS n
    FOR EACH STATEMENT EXECUTE FUNCTION pgdraft.d7_in();
GRANT SELECT, INSERT, UPDATE ON pgdraft.d7, pgdraft.d7_log, pgdraft.d7_in TO agent;
GRANT INSERT ON pgdraft.read_rows TO agent;
ALTER TABLE pgdraft.d7 ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pgdraft.d7 TO agent USING (pgdraft_sid = (SELECT pgdraft.sid()));
ALTER TABLE pgdraft.d7_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pgdraft.d7_log TO agent USING (pgdraft_sid = (SELECT pgdraft.sid()));

CREATE FUNCTION pgdraft.lock_session(now text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(pgdraft.sid());
END $$;

-- Advisory locks: under their names here, with the keys as they are.
DO $do$
DECLARE
    lock record;
BEGIN
    FOR lock IN SELECT p.proname, pg_get_function_result(p.oid) AS result FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_' AND p.pronargs = 1 LOOP
        EXECUTE format('CREATE FUNCTION pgdraft.%1$I(key bigint) RETURNS %2$s LANGUAGE sql AS $f$ SELECT pg_catalog.%1$I(key) $f$',
            lock.proname, lock.result);
    END LOOP;
END $do$;

CREATE FUNCTION pgdraft.replaced(name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION '% was replaced', name USING ERRCODE = 'ZD006';
END $$;
