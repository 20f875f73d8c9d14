-- What a reviewer decides on.

-- Which operations an operation read rows of, where its statement's own conditions say which rows it
-- looked at: `needs` had a row that met them, before it or after it. The key of one of them and how many;
-- `sought` where the statement looked for rows to change. An agent adds to its own operation and can do
-- no more.
CREATE TABLE pgdraft.read_rows (
    sid bigint NOT NULL DEFAULT pgdraft.sid(),
    op bigint NOT NULL DEFAULT pgdraft.op(),
    table_id integer NOT NULL,
    needs bigint NOT NULL,
    keys text[] NOT NULL,
    rows bigint NOT NULL,
    sought boolean NOT NULL,
    PRIMARY KEY (sid, op, table_id, needs, sought)
);
REVOKE ALL ON pgdraft.read_rows FROM PUBLIC;
GRANT INSERT (table_id, needs, keys, rows, sought) ON pgdraft.read_rows TO {{agent}};

-- What an operation has besides goes with it: the check of a foreign key would cost each write.
CREATE OR REPLACE FUNCTION pgdraft.forget_operation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM pgdraft.statements x WHERE x.sid = OLD.sid AND x.op = OLD.op;
    DELETE FROM pgdraft.reads x WHERE x.sid = OLD.sid AND x.op = OLD.op;
    DELETE FROM pgdraft.read_rows x WHERE x.sid = OLD.sid AND x.op = OLD.op;
    DELETE FROM pgdraft.read_sets x WHERE x.sid = OLD.sid AND x.op = OLD.op;
    RETURN NULL;
END $$;
