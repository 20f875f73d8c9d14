//! Whole programs that know nothing of pgdraft, with their own asserts: pgbench's TPC-B with its
//! balance invariant, a Django application that migrates while its work is a draft, and Django's own
//! test suite on tables that were made beforehand; SQLAlchemy's and asyncpg's own, whose DDL runs directly;
//! those of Go's drivers, which work on temporary tables; and ORMs of npm, PyPI, crates.io and Debian, step by step.
//!
//! `DJANGO="basic update"` chooses the modules of Django's suite, else all of `DJANGO` are run (`tests/programs/setup.sh` installs it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and finds its programs in the environment"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use testkit::cluster::Database;
use testkit::harness::{Trial, main as run};
use testkit::proxy::{AGENTS, PASSWORD, Proxy, Settings};
use testkit::{Cluster, environment, root};

const SESSION: &str = "program";

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for mode in ["session", "transaction"] {
        for protocol in ["simple", "extended", "prepared"] {
            let name = format!("programs::pgbench_{protocol}::{mode}");
            let work = (TPCB, BALANCED);
            trials.push(Trial::new(name, move || pgbench(protocol, mode, work)));
        }
        let work = (MIXED, PAID);
        let name = format!("programs::pgbench_mixed::{mode}");
        trials.push(Trial::new(name, move || pgbench("prepared", mode, work)));
    }
    for mode in ["session", "transaction"] {
        trials.push(Trial::new(
            format!("programs::migrating::{mode}"),
            move || migrating(mode),
        ));
    }
    for program in ORMS {
        trials.push(Trial::new(
            format!("programs::orms::{program}"),
            move || orm(program),
        ));
    }
    for (name, modules) in DJANGO {
        trials.push(Trial::new(format!("programs::django::{name}"), move || {
            django(modules)
        }));
    }
    if let Some(modules) = environment("DJANGO") {
        trials.retain(|trial| !trial.name.starts_with("programs::django"));
        trials.push(Trial::new("programs::django", move || django(&modules)));
    }
    for suite in SUITES {
        trials.push(Trial::new(format!("programs::{}", suite.name), move || {
            of_pytest(&suite)
        }));
    }
    for (name, package) in GO {
        trials.push(Trial::new(format!("programs::{name}"), move || {
            of_go(name, package)
        }));
    }
    run(trials)
}

/// Money is moved between accounts, tellers and branches: what went in is what came out.
const BALANCED: &str = "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history) \
    AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history) \
    AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history)";

/// The same where some of the work moves the accounts' money alone.
const PAID: &str = "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)";

/// What pgbench runs.
const TPCB: &[&str] = &["-b", "tpcb-like"];
const MIXED: &[&str] = &[
    "-b",
    "tpcb-like",
    "-b",
    "simple-update",
    "-b",
    "select-only",
];

/// Eight clients of one session, who leave history and a balance.
fn pgbench(protocol: &str, mode: &str, (scripts, balanced): (&[&str], &str)) -> Result<(), String> {
    let cluster = Cluster::shared();
    let database = cluster.create_database("pgbench");
    let port = cluster.port().to_string();
    let made = [
        "-i",
        "-q",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        "postgres",
        database.name(),
    ];
    finished(Command::new(cluster.program("pgbench")).args(made))?;
    let settings = Settings {
        config: format!("pool_mode = \"{mode}\"\npool_size = 12\n"),
        arguments: Vec::new(),
    };
    let mut proxy = Proxy::start_with(&database, &settings);
    let before = database.dump();
    let port = proxy.port().to_string();
    let worked = [
        "-n",
        "-c",
        "8",
        "-t",
        "10",
        "-M",
        protocol,
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        AGENTS[0],
        database.name(),
    ];
    finished(
        Command::new(cluster.program("pgbench"))
            .args(scripts)
            .args(worked)
            .env("PGPASSWORD", PASSWORD)
            .env("PGOPTIONS", format!("-c pgdraft.session={SESSION}")),
    )?;
    let mut agent = proxy.connect(SESSION);
    let counted = "SELECT count(*) FROM pgbench_history";
    let made = agent.value(counted);
    if (scripts == TPCB && made != "80") || made == "0" || agent.value(balanced) != "t" {
        return Err("the draft is out of balance".to_owned());
    }
    if database.dump() != before {
        return Err("production has changed before the commit".to_owned());
    }
    proxy.review(&format!("COMMIT SESSION '{SESSION}'"));
    let mut base = database.connect();
    if base.value(counted) != made || base.value(balanced) != "t" {
        return Err("production is out of balance after the commit".to_owned());
    }
    proxy.assert_sound();
    Ok(())
}

/// An application that migrates directly, four times, while its work is one open draft; committed, it
/// is what the same on a plain database is.
fn migrating(mode: &str) -> Result<(), String> {
    let cluster = Cluster::shared();
    let database = cluster.create_database("migrating");
    let plain = cluster.create_database("migrated");
    let settings = Settings {
        config: format!("pool_mode = \"{mode}\"\n"),
        arguments: Vec::new(),
    };
    let mut proxy = Proxy::start_with(&database, &settings);
    let port = proxy.port().to_string();
    let run = |what: &str| {
        let mut command = Command::new(target().join("clients/venv/bin/python"));
        command
            .arg(root().join("tests/programs/migrating/app.py"))
            .arg(what)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PROGRAM_SERVER_PORT", cluster.port().to_string())
            .env("PROGRAM_PORT", &port)
            .env("PROGRAM_DATABASE", database.name())
            .env("PROGRAM_PLAIN", plain.name())
            .env("PROGRAM_USER", AGENTS[0])
            .env("PROGRAM_PASSWORD", PASSWORD)
            .env("PROGRAM_OPTIONS", format!("-c pgdraft.session={SESSION}"));
        finished(&mut command)
    };
    run("work")?;
    let conflicts = proxy.review(&format!("SHOW CONFLICTS IN SESSION '{SESSION}'"));
    if !conflicts.rows.is_empty() {
        return Err(format!("a migration is no conflict: {conflicts:?}"));
    }
    proxy.review(&format!("COMMIT SESSION '{SESSION}'"));
    proxy.assert_sound();
    run("compare")
}

fn target() -> PathBuf {
    environment("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A suite that pytest runs: from a source package, against the server that a URL or libpq's variables
/// name.
#[derive(Clone, Copy)]
struct Suite {
    name: &'static str,
    /// What chooses its tests, and those of them that are run without a word.
    variable: &'static str,
    tests: &'static str,
    /// What the database needs.
    extensions: &'static str,
}

const SUITES: [Suite; 2] = [
    Suite {
        name: "sqlalchemy",
        variable: "SQLALCHEMY",
        tests: "test/dialect/postgresql/test_on_conflict.py test/dialect/postgresql/test_query.py test/orm/test_unitofworkv2.py test/sql/test_delete.py test/sql/test_query.py test/sql/test_returning.py test/sql/test_update.py",
        extensions: "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2",
    },
    Suite {
        name: "asyncpg",
        variable: "ASYNCPG",
        // that test drops a table while its own statement is in the middle, from another connection here
        tests: "--deselect tests/test_copy.py::TestCopyTo::test_copy_records_to_table_no_binary_codec tests/test_copy.py tests/test_cursor.py tests/test_prepare.py tests/test_record.py tests/test_transaction.py tests/test_types.py",
        extensions: "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree",
    },
];

/// A suite directly, then in a draft, where each of its tests passes that did, but for those of
/// `tests/programs/suites/known.txt`.
fn of_pytest(suite: &Suite) -> Result<(), String> {
    let sources = target().join("programs").join(suite.name);
    if !sources.exists() {
        let missing = sources.display();
        return Err(format!(
            "{missing} is missing: run tests/programs/setup.sh first"
        ));
    }
    let cluster = Cluster::shared();
    let plain = cluster.create_database(suite.name);
    plain.run(suite.extensions);
    let (own, text) = run_suite(suite, &plain, (cluster.port(), "postgres", ""), true)?;
    if own.is_empty() {
        return Err(text);
    }
    let database = cluster.create_database(suite.name);
    database.run(suite.extensions);
    let mut proxy = Proxy::start(&database);
    let options = format!("-c%20pgdraft.session%3D{SESSION}");
    let (drafts, text) = run_suite(suite, &database, (proxy.port(), AGENTS[0], &options), false)?;
    proxy.assert_sound();
    as_known(&own, &drafts, &text)
}

/// Whether all passed in a draft that did directly, but for those of `tests/programs/suites/known.txt`.
fn as_known(own: &BTreeSet<String>, drafts: &BTreeSet<String>, text: &str) -> Result<(), String> {
    let known = std::fs::read_to_string(root().join("tests/programs/suites/known.txt")).unwrap();
    let known: Vec<&str> = known
        .lines()
        .filter_map(|line| Some(line.split_once(" | ")?.0))
        .collect();
    let more: Vec<&String> = own
        .difference(drafts)
        .filter(|test| !known.iter().any(|end| test.ends_with(end)))
        .collect();
    match more.is_empty() {
        true => Ok(()),
        false => Err(format!("{text}\nonly on PostgreSQL itself: {more:#?}")),
    }
}

/// Suites of Go's drivers, as Debian packs them with their sources.
const GO: [(&str, &str); 3] = [
    ("pgx", "github.com/jackc/pgx/v4"),
    ("pgconn", "github.com/jackc/pgconn"),
    ("pq", "github.com/lib/pq"),
];

/// A suite directly, and in a draft in both pool modes: each connection is a session of its own.
fn of_go(name: &str, package: &str) -> Result<(), String> {
    let cluster = Cluster::shared();
    let plain = cluster.create_database(name);
    let (own, text) = run_go(package, (cluster.port(), "postgres", plain.name()))?;
    if own.len() < 50 {
        return Err(text);
    }
    for mode in ["session", "transaction"] {
        let database = cluster.create_database(name);
        let settings = Settings {
            config: format!("pool_mode = \"{mode}\"\n"),
            arguments: Vec::new(),
        };
        let mut proxy = Proxy::start_with(&database, &settings);
        let before = database.dump();
        let (drafts, text) = run_go(package, (proxy.port(), AGENTS[0], database.name()))?;
        proxy.assert_sound();
        if database.dump() != before {
            return Err("the suite has changed production".to_owned());
        }
        as_known(&own, &drafts, &text)?;
    }
    Ok(())
}

/// The tests that passed, and all that was printed.
fn run_go(
    package: &str,
    (port, user, database): (u16, &str, &str),
) -> Result<(BTreeSet<String>, String), String> {
    let port = port.to_string();
    let url = format!(
        "host=127.0.0.1 port={port} user={user} password='{PASSWORD}' dbname={database} sslmode=disable"
    );
    let mut go = go(&target().join("programs/orms"));
    go.args("test -v -count 1 -parallel 1 -timeout 300s".split(' '))
        .arg(package)
        .env("PGX_TEST_DATABASE", &url)
        .env("PGX_TEST_CONN_STRING", &url)
        .env("PGX_TEST_TCP_CONN_STRING", &url)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", &port)
        .env("PGUSER", user)
        .env("PGPASSWORD", PASSWORD)
        .env("PGDATABASE", database)
        .env("PGSSLMODE", "disable");
    let (_, text) = output(&mut go)?;
    let passed = |line: &str| {
        let test = line.trim_start().strip_prefix("--- PASS: ")?;
        Some(format!("::{}", test.split_whitespace().next()?))
    };
    let tests = text.lines().filter_map(passed).collect();
    Ok((tests, text))
}

/// Go over the libraries that Debian has packed.
fn go(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOCACHE", folder.join("go"));
    go
}

/// The tests that passed, and all that was printed; `direct`: nothing goes elsewhere.
fn run_suite(
    suite: &Suite,
    database: &Database,
    (port, user, options): (u16, &str, &str),
    direct: bool,
) -> Result<(BTreeSet<String>, String), String> {
    let folder = target().join("programs");
    let tests = environment(suite.variable).unwrap_or_else(|| suite.tests.to_owned());
    let file = Cluster::shared()
        .folder()
        .join(format!("{}-{port}", suite.name));
    let (name, port) = (database.name(), port.to_string());
    let mut command = Command::new(folder.join("pytest/bin/pytest"));
    command
        .current_dir(folder.join(suite.name))
        .args(
            "-p draft_plugin -q --timeout 30 --maxfail 1000 --tb native -p no:cacheprovider"
                .split(' '),
        )
        .args(tests.split_whitespace())
        .env("PYTHONPATH", root().join("tests/programs/suites"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PROGRAM_SUITE", suite.name)
        .env("PROGRAM_OUTCOMES", &file)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", &port)
        .env("PGUSER", user)
        .env("PGPASSWORD", PASSWORD)
        .env("PGDATABASE", name);
    if suite.name == "sqlalchemy" {
        let password = PASSWORD.replace(' ', "%20");
        let url = format!(
            "postgresql+psycopg://{user}:{password}@127.0.0.1:{port}/{name}?options={options}"
        );
        command.args(["--dburi", &url]);
    }
    if !direct {
        command.env("PROGRAM_DIRECT", database.url());
    }
    let (_, text) = output(&mut command)?;
    let outcomes = std::fs::read_to_string(&file).map_err(|_| text.clone())?;
    let passed = outcomes
        .lines()
        .filter_map(|line| line.strip_prefix("passed "));
    Ok((passed.map(str::to_owned).collect(), text))
}

/// Programs of `tests/programs/orms`: each prints a line for each step.
const ORMS: [&str; 14] = [
    "active_record.rb",
    "sequel.rb",
    "doctrine.php",
    "dbd_pg.pl",
    "pgx.go",
    "sequelize.js",
    "typeorm.js",
    "knex.js",
    "drizzle.mjs",
    "mikro.js",
    "prisma/steps.ts",
    "sqlx.rs",
    "synchronous.py",
    "asynchronous.py",
];
/// Steps that a draft refuses: Sequelize makes a function for it.
const REFUSED_OF_ORMS: [&str; 1] = ["[\"findOrCreate"];

/// The steps on PostgreSQL itself and in a draft over the same tables: the same lines.
fn orm(program: &str) -> Result<(), String> {
    let sources = root().join("tests/programs/orms");
    let folder = target().join("programs/orms");
    if !folder.join("version").exists() {
        let missing = folder.display();
        return Err(format!(
            "{missing} is missing: run tests/programs/setup.sh first"
        ));
    }
    std::fs::copy(sources.join(program), folder.join(program)).map_err(|e| e.to_string())?;
    let schema = std::fs::read_to_string(sources.join("schema.sql")).unwrap();
    let cluster = Cluster::shared();
    let lines = |database: &Database, words: &[&str]| {
        let mut command = interpreter(program, &folder);
        command.current_dir(&folder).arg(program).args(words);
        let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).replace(database.name(), "DATABASE");
        match output.status.success() {
            true => Ok(text),
            false => Err(text + &String::from_utf8_lossy(&output.stderr)),
        }
    };
    let plain = cluster.create_database("orm");
    plain.run(&schema);
    let own = lines(&plain, &[&plain.url()])?;
    let database = cluster.create_database("orm");
    database.run(&schema);
    let mut proxy = Proxy::start(&database);
    let before = database.dump();
    let options = format!("-c pgdraft.session={SESSION}");
    let url = proxy.url(SESSION);
    let (url, _) = url.split_once('?').unwrap();
    let draft = lines(&database, &[url, &options])?;
    proxy.assert_sound();
    if database.dump() != before {
        return Err("production has changed".to_owned());
    }
    if own.lines().count() < 15 {
        return Err(own);
    }
    let mut pairs = own.lines().zip(draft.lines());
    let known = |line: &str| REFUSED_OF_ORMS.iter().any(|step| line.starts_with(step));
    match pairs.find(|(own, draft)| own != draft && !known(own)) {
        None => Ok(()),
        Some((own, draft)) => Err(format!("PostgreSQL: {own}\nin a draft: {draft}")),
    }
}

/// What runs a program of that name.
fn interpreter(program: &str, folder: &Path) -> Command {
    match program.rsplit_once('.').map(|(_, language)| language) {
        Some("py") => Command::new(folder.join("venv/bin/python")),
        Some("rb") => Command::new("ruby"),
        Some("php") => Command::new("php"),
        Some("pl") => Command::new("perl"),
        Some("go") => {
            let mut go = go(folder);
            go.arg("run");
            go
        }
        Some("rs") => {
            let mut cargo = Command::new("cargo");
            cargo
                .args(["run", "--quiet", "--"])
                .env("CARGO_TARGET_DIR", folder.join("cargo"));
            cargo
        }
        Some("ts") => Command::new(folder.join("prisma/node_modules/.bin/tsx")),
        _ => Command::new("node"),
    }
}

/// What of Django's suite is run without a word: queries and changes. Modules of DDL are left out, and
/// so are those of a second database; single tests in `tests/programs/django/draft_backend/features.py`.
const DJANGO: [(&str, &str); 5] = [
    (
        "queries",
        "aggregation aggregation_regress annotations basic db_functions distinct_on_fields expressions \
         expressions_case expressions_window extra_regress get_earliest_or_latest get_object_or_404 \
         lookup custom_lookups null_queries or_lookups ordering pagination queries raw_query \
         reverse_lookup string_lookup update xor_lookups",
    ),
    (
        "changes",
        "bulk_create constraints defer defer_regress delete delete_regress field_defaults \
         force_insert_update from_db_value get_or_create save_delete_hooks select_for_update \
         transaction_hooks transactions update_only_fields",
    ),
    (
        "relations",
        "contenttypes_tests.test_fields contenttypes_tests.test_models filtered_relation foreign_object \
         generic_relations generic_relations_regress known_related_objects m2m_and_m2o m2m_intermediary \
         m2m_multiple m2m_recursive m2m_regress m2m_signals m2m_through m2m_through_regress \
         m2o_recursive many_to_many many_to_one many_to_one_null mutually_referential \
         nested_foreign_keys null_fk null_fk_ordering one_to_one order_with_respect_to prefetch_related \
         select_related select_related_onetoone select_related_regress",
    ),
    (
        "models",
        "composite_pk custom_columns custom_managers custom_methods custom_pk datatypes dates datetimes \
         max_lengths model_fields model_forms model_formsets model_formsets_regress model_inheritance \
         model_inheritance_regress model_regress proxy_model_inheritance proxy_models queryset_pickle \
         reserved_names serializers sessions_tests timezones unmanaged_models",
    ),
    (
        "postgres",
        "postgres_tests.test_aggregates postgres_tests.test_array postgres_tests.test_bulk_update \
         postgres_tests.test_functions postgres_tests.test_hstore postgres_tests.test_ranges \
         postgres_tests.test_search postgres_tests.test_trigram postgres_tests.test_unaccent",
    ),
];

/// Django's suite directly, which makes its tables, and then the same through a draft.
fn django(modules: &str) -> Result<(), String> {
    let folder = target().join("programs");
    let suite = folder.join("django/tests");
    if !suite.exists() {
        return Err(format!(
            "{} is missing: run tests/programs/setup.sh first",
            suite.display()
        ));
    }
    let django = |port: u16, database: &str, user: &str, options: &str| {
        let mut command = Command::new(folder.join("venv/bin/python"));
        command
            .current_dir(&suite)
            .args([
                "runtests.py",
                "--settings=draft_settings",
                "--keepdb",
                "--parallel=1",
            ])
            .args(modules.split_whitespace())
            .env("PYTHONPATH", root().join("tests/programs/django"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PROGRAM_PORT", port.to_string())
            .env("PROGRAM_DATABASE", database)
            .env("PROGRAM_USER", user)
            .env("PROGRAM_PASSWORD", PASSWORD)
            .env("PROGRAM_OPTIONS", options);
        let (done, text) = output(&mut command)?;
        let ran = text.lines().any(|line| line.starts_with("Ran "));
        match done || ran {
            true => Ok((failures(&text), text)),
            false => Err(text),
        }
    };
    let database = Cluster::shared().create_database("django");
    let (own, _) = django(Cluster::shared().port(), database.name(), "postgres", "")?;
    let mut proxy = Proxy::start(&database);
    let before = database.dump();
    let options = format!("-c pgdraft.session={SESSION}");
    let (drafts, text) = django(proxy.port(), database.name(), AGENTS[0], &options)?;
    if database.dump() != before {
        return Err("the suite has changed production".to_owned());
    }
    proxy.assert_sound();
    let more: Vec<&String> = drafts.difference(&own).collect();
    match more.is_empty() {
        true => Ok(()),
        false => Err(format!("{text}\nonly in a draft: {more:#?}")),
    }
}

/// The tests that unittest says have failed.
fn failures(text: &str) -> BTreeSet<String> {
    let marks = ["ERROR: ", "FAIL: ", "UNEXPECTED SUCCESS: "];
    let of = |line: &str| {
        marks
            .iter()
            .find_map(|mark| line.strip_prefix(mark))
            .map(str::to_owned)
    };
    text.lines().filter_map(of).collect()
}

/// Whether it succeeded, and what it printed.
fn output(command: &mut Command) -> Result<(bool, String), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

fn finished(command: &mut Command) -> Result<(), String> {
    let (done, text) = output(command)?;
    if done {
        return Ok(());
    }
    let lines: Vec<&str> = text.lines().collect();
    Err(lines
        .get(lines.len().saturating_sub(80)..)
        .unwrap_or_default()
        .join("\n"))
}
