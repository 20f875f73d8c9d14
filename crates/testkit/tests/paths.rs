//! Functions of ours that run with rights of ours under the search_path of whoever calls them: what
//! stands first in that path must mean nothing to them, or it would run with those rights.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; one list of what is written under the path"
)]

use testkit::proxy::{Proxy, agent_role, over, token};
use testkit::wire::Connection;

const SETUP: &str = "\
CREATE TABLE kinds (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE things (
    id bigint PRIMARY KEY, kind int REFERENCES kinds, at int NOT NULL CHECK (at > 0),
    span int4range, EXCLUDE USING gist (span WITH &&), UNIQUE (kind, at)
);
CREATE TABLE parts (
    id int PRIMARY KEY, thing bigint NOT NULL REFERENCES things ON DELETE CASCADE ON UPDATE CASCADE,
    kind int DEFAULT 1 REFERENCES kinds ON DELETE SET DEFAULT
);
INSERT INTO kinds SELECT n, 'kind ' || n FROM generate_series(1, 9) n;
INSERT INTO things SELECT n, n, n, int4range(n, n + 1) FROM generate_series(1, 9) n;
INSERT INTO parts SELECT n, n, n FROM generate_series(1, 9) n;
";

/// A schema in which every function, operator and type of PostgreSQL that can be had again is there
/// again and raises an error: functions and operators with the same arguments, types as domains.
const HOSTILE: &str = "\
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.refuse(pg_catalog.text) RETURNS pg_catalog.bool LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RAISE EXCEPTION 'hostile %', $1; END $$;
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT p.oid, p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
             FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a') AND p.proname !~ '^(RI_|binary_upgrade)' LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', r.proname, r.arguments, r.result,
                           format('BEGIN PERFORM hostile.refuse(%L); END', r.proname));
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    FOR r IN SELECT o.oid, o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result
             FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprkind = 'b' LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION hostile.o%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', r.oid, r.l, r.r, r.result,
                           format('BEGIN PERFORM hostile.refuse(%L); END', r.oprname));
            EXECUTE format('CREATE OPERATOR hostile.%s (FUNCTION = hostile.o%s, LEFTARG = %s, RIGHTARG = %s)', r.oprname, r.oid, r.l, r.r);
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    FOR r IN SELECT t.typname FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'p') AND t.typname !~ '^_' LOOP
        BEGIN
            EXECUTE format('CREATE DOMAIN hostile.%1$I AS pg_catalog.%1$I CHECK (hostile.refuse(%1$L))', r.typname);
        EXCEPTION WHEN OTHERS THEN
            EXECUTE format('CREATE TYPE hostile.%I AS (hostile pg_catalog.int4)', r.typname);
        END;
    END LOOP;
END $$;
CREATE TABLE hostile.pgdraft_n (pgdraft_live pg_catalog.bool);
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA hostile TO PUBLIC;
";

/// A backend of PostgreSQL that is bound to the session, with nothing in between, and the path.
fn bound(database: &testkit::Database, session: &str) -> Connection {
    let mut owner = database.connect();
    let sid = owner.value(&format!(
        "SELECT sid FROM pgdraft.sessions WHERE name = '{session}'"
    ));
    let mut connection = Connection::open(&agent_role(database)).unwrap();
    let pid: i32 = connection.value("SELECT pg_backend_pid()").parse().unwrap();
    connection.run(&format!(
        "SELECT pgdraft.bind('{}')",
        token(database, &sid, pid)
    ));
    connection.run("SET search_path = hostile, pg_catalog");
    connection
}

fn head(database: &testkit::Database, table: &str) -> String {
    database.connect().value(&format!(
        "SELECT 'pgdraft.d' || id FROM pgdraft.tables WHERE relid = '{table}'::regclass"
    ))
}

fn drafted() -> (testkit::Database, Proxy) {
    let (database, proxy) = over(SETUP);
    proxy.connect("s").run(
        "UPDATE kinds SET name = name WHERE id = 1; UPDATE things SET at = at WHERE id = 1; UPDATE parts SET id = id WHERE id = 1",
    );
    (database, proxy)
}

#[test]
fn what_stands_first_in_the_path_is_never_called() {
    let (database, mut proxy) = drafted();
    database.run(HOSTILE);
    let [kinds, things, parts] = ["kinds", "things", "parts"].map(|table| head(&database, table));
    let tables = "'{1,2,3}'::pg_catalog.int4[]";
    let mut agent = bound(&database, "s");
    // it is there to be called
    for text in [
        "SELECT 1 = 1",
        "SELECT 'a' || 'b'::pg_catalog.text",
        "SELECT now()",
        "SELECT 1::int2",
    ] {
        assert!(
            agent.fail(text).message().starts_with("hostile"),
            "{text} is not hostile"
        );
    }
    let begin = |name: &str, text: &str| {
        format!("SELECT pgdraft.begin_write({name}, '{text}'::pg_catalog.text, {tables})")
    };
    let path = "SELECT pg_catalog.current_setting('search_path')";
    for (by_row, name) in [
        ("on", "NULL"),
        ("off", "NULL"),
        ("on", "'job'"),
        ("off", "'job'"),
    ] {
        agent.run(&format!("SET pgdraft.by_row = '{by_row}'"));
        for plain in [false, true] {
            agent.run("BEGIN");
            agent.run(&begin(name, "one"));
            agent.run(&begin(name, "two"));
            agent.run(&begin(name, "two"));
            if plain {
                agent.run(&format!(
                    "INSERT INTO {things} (id, kind, at) SELECT 20, 5, 5 FROM (SELECT pg_catalog.set_config('pgdraft.plain', pg_catalog.statement_timestamp()::pg_catalog.text, true)) x"
                ));
            }
            // new rows, of parent and children; rows that come to be and go again; one key moved
            agent.run(&format!(
                "INSERT INTO {kinds} (id, name) VALUES (11, 'new')"
            ));
            agent.run(&format!(
                "INSERT INTO {things} (id, kind, at) VALUES (11, 11, 11), (12, 11, 12)"
            ));
            agent.run(&format!(
                "INSERT INTO {parts} (id, thing, kind) VALUES (11, 11, 11)"
            ));
            agent.run(&format!("UPDATE {things} SET kind = 3"));
            agent.run(&format!("UPDATE {things} SET pgdraft_live = false"));
            agent.run(&format!("UPDATE {kinds} SET pgdraft_live = false"));
            agent.run(&format!(
                "INSERT INTO {things} (id, kind, at) SELECT n, 2, n FROM pg_catalog.generate_series(100, 300) n"
            ));
            assert_eq!(agent.value(path), "hostile, pg_catalog");
            agent.run("ROLLBACK");
        }
    }
    for (text, code) in [
        (
            format!("INSERT INTO {things} (id, kind) VALUES (21, 1)"),
            "23502",
        ),
        (
            format!("INSERT INTO {things} (id, kind, at) VALUES (21, 1, 0)"),
            "23514",
        ),
        (
            format!("INSERT INTO {things} (id, kind, at) VALUES (3, 1, 1)"),
            "23505",
        ),
        (
            format!("INSERT INTO {things} (id, kind, at) VALUES (21, 99, 1)"),
            "23503",
        ),
        (
            format!("INSERT INTO {kinds} (id, name) VALUES (21, 'kind 2')"),
            "23505",
        ),
        (
            format!("INSERT INTO {parts} (id, thing) VALUES (21, 99)"),
            "23503",
        ),
    ] {
        agent.run("BEGIN");
        agent.run(&begin("NULL", "refused"));
        agent.run("SAVEPOINT before");
        let failure = agent.fail(&text);
        assert_eq!(failure.code(), code, "{text}: {failure}");
        agent.run("ROLLBACK TO before");
        assert_eq!(agent.value(path), "hostile, pg_catalog");
        agent.run("COMMIT");
        assert_eq!(agent.value(path), "hostile, pg_catalog");
    }
    proxy.assert_sound();
}

/// The names by which PostgreSQL looks for functions, types and operators all have their schema, as far as
/// the function runs under the path of its caller.
#[test]
fn every_name_has_its_schema() {
    let (database, _proxy) = drafted();
    let mut owner = database.connect();
    let functions = "FROM pg_proc p WHERE p.pronamespace = 'pgdraft'::regnamespace AND p.prosecdef
        AND p.proconfig IS NULL";
    let names = owner.value(&format!(
        "SELECT string_agg(DISTINCT regexp_replace(p.proname, '^d[0-9]+', 'dN'), ' ') {functions}"
    ));
    assert_eq!(
        names,
        "begin_write dN_insert_forbidden dN_insert_keys dN_insert_references dN_update_forbidden dN_update_keys dN_update_references"
    );
    let count: usize = owner
        .value(&format!("SELECT count(*) {functions}"))
        .parse()
        .unwrap();
    for n in 0..count {
        let of = format!("{functions} ORDER BY p.proname OFFSET {n} LIMIT 1");
        let name = owner.value(&format!("SELECT p.proname {of}"));
        let text = owner.value(&format!("SELECT p.prosrc {of}"));
        let unsafe_words = unqualified(&text);
        assert!(unsafe_words.is_empty(), "{name}: {unsafe_words:?}");
    }
    for (text, found) in [
        ("BEGIN IF a = 1 THEN", "="),
        ("x := now();", "now"),
        ("x := a::text;", "text"),
        ("x := nullif(a, b);", "nullif"),
        ("IF a IS DISTINCT FROM b THEN", "distinct"),
        ("SELECT FROM things", "things"),
        ("DECLARE\n    a text;\nBEGIN", "text"),
        ("x := CASE a WHEN 1 THEN 2 END;", "case"),
        ("x := a OPERATOR(public.+) b;", "public"),
    ] {
        assert!(unqualified(text).contains(&found.to_owned()), "{text}");
    }
}

/// What stands in a body, as far as it runs under its caller's path, without the schema it needs.
fn unqualified(body: &str) -> Vec<String> {
    let own = body
        .find("pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)")
        .map_or(body, |end| &body[..end]);
    let tokens = tokens(own);
    let at = |i: usize| tokens.get(i).map_or("", String::as_str);
    let schema =
        |i: usize| i >= 2 && at(i - 1) == "." && ["pg_catalog", "pgdraft"].contains(&at(i - 2));
    // in these brackets a table, a list or a query stands, and what is built in takes no operator
    let built_in = [
        "coalesce", "exists", "array", "any", "and", "or", "not", "operator", "from", "o", "as",
        "values", "select",
    ];
    let by_name = [
        "nullif", "in", "between", "like", "ilike", "similar", "distinct", "overlaps", "greatest",
        "least",
    ];
    let mut found = Vec::new();
    let mut declares = false;
    for (i, token) in tokens.iter().enumerate() {
        let word = token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let sign = token.chars().all(|c| "=<>|+-*/~@#%^&!?".contains(c));
        let assigned = token == ":=" || token == "::";
        match token.as_str() {
            "declare" => declares = true,
            "begin" => declares = false,
            _ => {}
        }
        let assigned = assigned || token == "=" && at(i.wrapping_sub(2)) == "set";
        let wrong = if sign && !assigned {
            !(at(i.wrapping_sub(1)) == "."
                && at(i.wrapping_sub(2)) == "pg_catalog"
                && at(i.wrapping_sub(4)) == "operator")
        } else if !word {
            false
        } else if by_name.contains(&token.as_str()) {
            true
        } else if token == "case" {
            at(i + 1) != "when"
        } else if at(i.wrapping_sub(1)) == "::"
            || at(i.wrapping_sub(1)) == "(" && at(i.wrapping_sub(2)) == "operator"
        {
            token != "pg_catalog"
        } else if declares && [";", "declare"].contains(&at(i.wrapping_sub(1))) {
            // the type behind a variable's name
            let kind = at(i + 1);
            if kind != "pg_catalog" {
                found.push(kind.to_owned());
            }
            false
        } else if ["from", "join"].contains(&at(i.wrapping_sub(1))) {
            !["pgdraft", "pgdraft_n", "lateral"].contains(&token.as_str())
        } else if at(i + 1) == "(" {
            !schema(i) && !built_in.contains(&token.as_str())
        } else {
            false
        };
        if wrong {
            found.push(token.clone());
        }
    }
    found
}

/// Words in lower case, signs, brackets; without comments, texts and numbers.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = |is: &dyn Fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = run(&|c| c.is_ascii_alphanumeric() || c == '_');
            tokens.push(rest[..length].to_ascii_lowercase());
            length
        } else if first == ':' {
            let length = run(&|c| ":=".contains(c));
            tokens.push(rest[..length].to_owned());
            length
        } else if "=<>|+-*/~@#%^&!?".contains(first) {
            let length = run(&|c| "=<>|+-*/~@#%^&!?".contains(c));
            // plpgsql's own option
            if !rest.starts_with("#variable_conflict") {
                tokens.push(rest[..length].to_owned());
            }
            length
        } else {
            if "().,;[]".contains(first) {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}
