-- What agents' programs ask before they work: whether a thing is there, and which constraints there are.

-- CREATE … IF NOT EXISTS of what is there gives PostgreSQL's notice, of what is not the draft's refusal.
-- It reads the client's search_path, so it has none of its own.
CREATE PROCEDURE pgdraft.already(
    kind text, tag text, in_schema text, names text[], refusal text, refusal_detail text, refusal_hint text
) LANGUAGE plpgsql AS $$
DECLARE
    home text := coalesce(in_schema, pg_catalog.current_schema());
    on_table regclass;
    last_name text := names[pg_catalog.array_upper(names, 1)];
    found boolean := false;
    code text := '42P07';
    what text := pg_catalog.format('relation "%s"', last_name);
BEGIN
    IF pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool THEN
        RAISE EXCEPTION USING ERRCODE = '25006',
            MESSAGE = pg_catalog.format('cannot execute %s in a read-only transaction', tag);
    END IF;
    IF kind IN ('index', 'column') THEN
        on_table := pg_catalog.to_regclass(pg_catalog.concat_ws('.', pg_catalog.quote_ident(in_schema), pg_catalog.quote_ident(names[1])));
        SELECT n.nspname INTO home FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE c.oid OPERATOR(pg_catalog.=) on_table;
    END IF;
    CASE kind
    WHEN 'relation', 'index' THEN
        found := EXISTS (
            SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
            WHERE c.relname OPERATOR(pg_catalog.=) last_name::pg_catalog.name AND n.nspname OPERATOR(pg_catalog.=) home::pg_catalog.name);
    WHEN 'column' THEN
        found := EXISTS (
            SELECT FROM pg_catalog.pg_attribute a
            WHERE a.attrelid OPERATOR(pg_catalog.=) on_table AND a.attname OPERATOR(pg_catalog.=) last_name::pg_catalog.name
                AND NOT a.attisdropped);
        code := '42701';
        what := pg_catalog.format('column "%s" of relation "%s"', last_name, names[1]);
    WHEN 'schema' THEN
        found := EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) last_name::pg_catalog.name);
        code := '42P06';
        what := pg_catalog.format('schema "%s"', last_name);
    WHEN 'extension' THEN
        found := EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) last_name::pg_catalog.name);
        code := '42710';
        what := pg_catalog.format('extension "%s"', last_name);
    END CASE;
    IF NOT found THEN
        RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = refusal,
            DETAIL = coalesce(refusal_detail, ''), HINT = coalesce(refusal_hint, '');
    END IF;
    RAISE NOTICE USING ERRCODE = code, MESSAGE = what || ' already exists, skipping';
END $$;
REVOKE ALL ON PROCEDURE pgdraft.already(text, text, text, text[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE pgdraft.already(text, text, text, text[], text, text, text) TO {{agent}};

-- The standard's views show constraints, triggers and texts of views to owners and to who may write. An
-- agent may: in its draft. So these are shown for every relation that the agents' role may read. The
-- texts are the server's own, for they differ from version to version.
DO $do$
DECLARE
    shown text;
    body text;
BEGIN
    FOREACH shown IN ARRAY ARRAY[
        'table_constraints', 'referential_constraints', 'check_constraints', 'constraint_column_usage',
        'constraint_table_usage', 'triggers', 'triggered_update_columns', 'views', 'routines',
        'view_table_usage', 'view_column_usage', 'column_domain_usage', 'column_udt_usage']
    LOOP
        body := pg_get_viewdef(format('information_schema.%I', shown)::regclass);
        body := regexp_replace(body, 'pg_has_role\((\w+)\.relowner, ''USAGE''::text\)', 'has_table_privilege(\1.oid, ''SELECT''::text)', 'g');
        body := regexp_replace(body, 'pg_has_role\((\w+)\.proowner, ''USAGE''::text\)', 'has_function_privilege(\1.oid, ''EXECUTE''::text)', 'g');
        body := regexp_replace(body, 'pg_has_role\((\w+)\.typowner, ''USAGE''::text\)', 'has_type_privilege(\1.oid, ''USAGE''::text)', 'g');
        body := regexp_replace(body, 'pg_has_role\(COALESCE\((\w+)\.relowner, \w+\.typowner\), ''USAGE''::text\)', 'COALESCE(has_table_privilege(\1.oid, ''SELECT''::text), true)', 'g');
        body := regexp_replace(body, 'pg_has_role\(COALESCE\(\w+\.typowner, (\w+)\.typowner\), ''USAGE''::text\)', 'has_type_privilege(\1.oid, ''USAGE''::text)', 'g');
        body := regexp_replace(body, 'pg_has_role\((?:\w+\.)?tblowner, ''USAGE''::text\)',
            'EXISTS (SELECT FROM pg_catalog.pg_class own WHERE own.relname = tblname AND own.relnamespace = to_regnamespace(quote_ident(tblschema)) AND has_table_privilege(own.oid, ''SELECT''::text))', 'g');
        EXECUTE format('CREATE VIEW pgdraft.%I AS %s', 'information_schema_' || shown, body);
        EXECUTE format('GRANT SELECT ON pgdraft.%I TO %s', 'information_schema_' || shown, {{agent_literal}});
    END LOOP;
END $do$;
