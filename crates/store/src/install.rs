//! Installing and upgrading: one script, one transaction, the same text for a dry run.

use std::fmt::Write as _;

use catalog::{quote_identifier, quote_literal};
use tokio_postgres::Client;

use crate::{Error, Roles};

mod grants;

/// Migrations in order: version, name, text.
const MIGRATIONS: [(i32, &str, &str); 30] = [
    (1, "schema", include_str!("../migrations/0001_schema.sql")),
    (2, "writes", include_str!("../migrations/0002_writes.sql")),
    (3, "tables", include_str!("../migrations/0003_tables.sql")),
    (
        4,
        "operations",
        include_str!("../migrations/0004_operations.sql"),
    ),
    (5, "history", include_str!("../migrations/0005_history.sql")),
    (6, "limits", include_str!("../migrations/0006_limits.sql")),
    (
        7,
        "statements",
        include_str!("../migrations/0007_statements.sql"),
    ),
    (8, "forms", include_str!("../migrations/0008_forms.sql")),
    (9, "tables", include_str!("../migrations/0009_tables.sql")),
    (10, "agents", include_str!("../migrations/0010_agents.sql")),
    (11, "review", include_str!("../migrations/0011_review.sql")),
    (
        12,
        "history",
        include_str!("../migrations/0012_history.sql"),
    ),
    (13, "tables", include_str!("../migrations/0013_tables.sql")),
    (14, "review", include_str!("../migrations/0014_review.sql")),
    (15, "agents", include_str!("../migrations/0015_agents.sql")),
    (16, "tables", include_str!("../migrations/0016_tables.sql")),
    (17, "agents", include_str!("../migrations/0017_agents.sql")),
    (18, "tables", include_str!("../migrations/0018_tables.sql")),
    (19, "review", include_str!("../migrations/0019_review.sql")),
    (20, "forms", include_str!("../migrations/0020_forms.sql")),
    (21, "agents", include_str!("../migrations/0021_agents.sql")),
    (22, "rls", include_str!("../migrations/0022_rls.sql")),
    (23, "speed", include_str!("../migrations/0023_speed.sql")),
    (
        24,
        "operations",
        include_str!("../migrations/0024_operations.sql"),
    ),
    (
        25,
        "answers",
        include_str!("../migrations/0025_answers.sql"),
    ),
    (
        26,
        "answers",
        include_str!("../migrations/0026_answers.sql"),
    ),
    (27, "speed", include_str!("../migrations/0027_speed.sql")),
    (28, "speed", include_str!("../migrations/0028_speed.sql")),
    (29, "waits", include_str!("../migrations/0029_waits.sql")),
    (30, "reads", include_str!("../migrations/0030_reads.sql")),
];

const PASSWORD: &str = include_str!("../migrations/password.sql");
const EVENT_TRIGGER: &str = include_str!("../migrations/event_trigger.sql");

/// The version of the schema `pgdraft` that this program works with.
pub const VERSION: i32 = 30;

/// What the database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No schema `pgdraft`.
    NotInstalled,
    /// Installed, at that version (not above [`VERSION`]).
    Version(i32),
    /// Installed by a newer program.
    Newer(i32),
}

/// How to install.
#[derive(Debug, Clone, Copy, Default)]
pub struct InstallOptions {
    /// Only say what would run.
    pub dry_run: bool,
    /// Make the event trigger by which drafts give way to production's DDL.
    pub event_trigger: bool,
}

/// What was done, or would be.
#[derive(Debug, Clone)]
pub struct InstallReport {
    /// Version found before.
    pub before: Status,
    /// The roles.
    pub roles: Roles,
    /// The script that ran (or would run): readable, fit for `psql -f`, without secrets.
    pub script: String,
    /// What the upstream user may not grant, one sentence each; agents will not see these tables.
    pub missing: Vec<String>,
    /// Rights that PUBLIC has and agents therefore have too, one sentence each with the cure.
    pub warnings: Vec<String>,
}

/// Which version is installed.
///
/// # Errors
/// [`Error::ForeignSchema`] for a schema that is not ours, [`Error::HalfRemoved`] where an uninstall
/// was interrupted, [`Error::Database`].
pub async fn status(client: &Client) -> Result<Status, Error> {
    let row = client
        .query_typed_one(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'pgdraft'),
                    EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                            WHERE n.nspname = 'pgdraft' AND c.relname = 'migrations'),
                    EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                            WHERE n.nspname = 'pgdraft' AND c.relname = 'sessions')", &[])
        .await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(Status::NotInstalled);
    }
    if !row.try_get::<_, bool>(1)? {
        return Err(Error::ForeignSchema);
    }
    if !row.try_get::<_, bool>(2)? {
        return Err(Error::HalfRemoved);
    }
    let row = client
        .query_typed_one(
            "SELECT coalesce(max(version), 0) FROM pgdraft.migrations",
            &[],
        )
        .await?;
    let version: i32 = row.try_get(0)?;
    Ok(if version > VERSION {
        Status::Newer(version)
    } else {
        Status::Version(version)
    })
}

/// Installs or upgrades the schema and grants what is missing; a second run does no harm and
/// grants on tables that are new. All in one transaction.
///
/// # Errors
/// [`Error::Privileges`] where the user may not, [`Error::Newer`], [`Error::ForeignSchema`],
/// [`Error::UnsafeAgentRole`], [`Error::Database`].
pub async fn install(client: &Client, options: &InstallOptions) -> Result<InstallReport, Error> {
    let before = status(client).await?;
    let version = match before {
        Status::NotInstalled => 0,
        Status::Version(version) => version,
        Status::Newer(version) => return Err(Error::Newer(version)),
    };
    let who = Installer::look(client).await?;
    who.check(version == 0)?;
    let grants = grants::plan(client, &who.roles).await?;
    let mut script = script(&who, version, &grants);
    if options.event_trigger {
        script.push_str(EVENT_TRIGGER);
    }
    script.push_str("COMMIT;\n");
    if !options.dry_run
        && let Err(error) = client.batch_execute(&script).await
    {
        // The script opens its own transaction; leave the connection usable.
        let _ = client.batch_execute("ROLLBACK").await;
        return Err(error.into());
    }
    let role = if options.dry_run && !who.agent_exists {
        "public"
    } else {
        who.roles.agent.as_str()
    };
    let warnings = grants::warnings(client, role).await?;
    Ok(InstallReport {
        before,
        roles: who.roles,
        script,
        missing: grants.missing,
        warnings,
    })
}

/// Who installs, and what is there already.
struct Installer {
    roles: Roles,
    database: String,
    user: String,
    superuser: bool,
    create_role: bool,
    create_in_database: bool,
    owns_database: bool,
    agent_exists: bool,
    control_exists: bool,
    keeper_exists: bool,
    /// Row-level security holds for the control role or the keeper.
    secured: bool,
    control_member: bool,
    agent_danger: Option<String>,
}

impl Installer {
    async fn look(client: &Client) -> Result<Self, Error> {
        let database: String = client
            .query_typed_one("SELECT current_database()::text", &[])
            .await?
            .try_get(0)?;
        let roles = Roles::of(&database);
        let row = client
            .query_one(
                "SELECT current_user::text, u.rolsuper, u.rolcreaterole,
                        has_database_privilege(current_database(), 'CREATE'),
                        pg_has_role(d.datdba, 'USAGE'),
                        EXISTS (SELECT FROM pg_roles WHERE rolname = $1),
                        EXISTS (SELECT FROM pg_roles WHERE rolname = $2),
                        EXISTS (SELECT FROM pg_roles WHERE rolname = $3),
                        EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                                WHERE g.rolname = $2 AND m.member = u.oid),
                        (SELECT concat_ws(' ',
                             CASE WHEN a.rolsuper THEN 'It is a superuser.' END,
                             CASE WHEN a.rolcreaterole THEN 'It has CREATEROLE.' END,
                             CASE WHEN a.rolcreatedb THEN 'It has CREATEDB.' END,
                             CASE WHEN a.rolreplication THEN 'It has REPLICATION.' END,
                             CASE WHEN a.rolbypassrls THEN 'It has BYPASSRLS.' END,
                             (SELECT 'It is a member of ' || string_agg(quote_ident(g.rolname), ', ' ORDER BY g.rolname) || '.'
                              FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = a.oid))
                         FROM pg_roles a WHERE a.rolname = $1),
                        (SELECT count(*) < 2 FROM pg_roles WHERE rolname IN ($2, $3) AND rolbypassrls)
                 FROM pg_roles u, pg_database d
                 WHERE u.rolname = current_user AND d.datname = current_database()",
                &[&roles.agent, &roles.control, &roles.keeper],
            )
            .await?;
        Ok(Self {
            roles,
            database,
            user: row.try_get(0)?,
            superuser: row.try_get(1)?,
            create_role: row.try_get(2)?,
            create_in_database: row.try_get(3)?,
            owns_database: row.try_get(4)?,
            agent_exists: row.try_get(5)?,
            control_exists: row.try_get(6)?,
            keeper_exists: row.try_get(7)?,
            secured: row.try_get(10)?,
            control_member: row.try_get(8)?,
            agent_danger: row
                .try_get::<_, Option<String>>(9)?
                .filter(|text| !text.is_empty()),
        })
    }

    fn check(&self, fresh: bool) -> Result<(), Error> {
        if let Some(reason) = &self.agent_danger {
            return Err(Error::UnsafeAgentRole {
                role: self.roles.agent.clone(),
                reason: reason.clone(),
            });
        }
        if self.superuser {
            return Ok(());
        }
        let mut missing = Vec::new();
        let user = quote_identifier(&self.user);
        if !self.create_role {
            missing.push(format!("User {user} has no CREATEROLE."));
        }
        if fresh && !self.create_in_database {
            let database = quote_identifier(&self.database);
            missing.push(format!("User {user} has no CREATE on database {database}."));
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::Privileges(missing))
        }
    }
}

/// The script up to its `COMMIT`. `BEGIN` and `COMMIT` are part of it, so that psql runs it as we do.
fn script(who: &Installer, version: i32, grants: &grants::Grants) -> String {
    let (agent, control) = (who.roles.agent_quoted(), who.roles.control_quoted());
    let mut out = String::from("-- pgdraft: schema, roles and grants\nBEGIN;\n");
    out.push_str("SET LOCAL search_path = pg_catalog, pg_temp;\n");
    out.push_str("SET LOCAL password_encryption = 'scram-sha-256';\n");
    out.push_str("SET LOCAL client_min_messages = warning;\n\n");
    if !who.agent_exists {
        let _ = writeln!(out, "CREATE ROLE {agent} LOGIN NOINHERIT;");
        // A merged read is costed so high that compiling it would cost more than running it.
        let _ = writeln!(out, "ALTER ROLE {agent} SET jit = off;");
    }
    if !who.control_exists {
        let _ = writeln!(out, "CREATE ROLE {control} NOLOGIN;");
    }
    if !who.keeper_exists {
        let keeper = who.roles.keeper_quoted();
        // It reads what agents read, and the control role can use what it owns.
        let _ = writeln!(
            out,
            "CREATE ROLE {keeper} NOLOGIN;\nGRANT {agent} TO {keeper};\nGRANT {keeper} TO {control};"
        );
    }
    if who.superuser && who.secured {
        // A commit and the checks of keys look at all rows, whatever policies show to whom.
        for role in [&control, &who.roles.keeper_quoted()] {
            let _ = writeln!(out, "ALTER ROLE {role} BYPASSRLS;");
        }
    }
    if !who.control_member {
        let user = quote_identifier(&who.user);
        let _ = writeln!(out, "GRANT {control} TO {user};");
    }
    if who.owns_database || who.superuser {
        let database = quote_identifier(&who.database);
        let _ = writeln!(out, "GRANT CONNECT ON DATABASE {database} TO {agent};");
    }
    if version == 0 {
        let _ = writeln!(out, "CREATE SCHEMA pgdraft AUTHORIZATION {control};");
    }
    for (number, name, text) in MIGRATIONS.iter().filter(|m| m.0 > version) {
        let _ = writeln!(
            out,
            "\n-- migration {number}: {name}\nSET LOCAL ROLE {control};"
        );
        out.push_str(&filled(text, &who.roles));
        let name = quote_literal(name);
        let _ = writeln!(
            out,
            "INSERT INTO pgdraft.migrations (version, name) VALUES ({number}, {name});\nRESET ROLE;"
        );
    }
    out.push('\n');
    out.push_str(&filled(PASSWORD, &who.roles));
    out.push_str("\n-- what agents may read and commits may write\n");
    for statement in &grants.statements {
        out.push_str(statement);
        out.push_str(";\n");
    }
    out
}

fn filled(text: &str, roles: &Roles) -> String {
    text.replace("{{agent}}", &roles.agent_quoted())
        .replace("{{control}}", &roles.control_quoted())
        .replace("{{keeper}}", &roles.keeper_quoted())
        .replace("{{keeper_literal}}", &quote_literal(&roles.keeper_quoted()))
        .replace("{{agent_literal}}", &quote_literal(&roles.agent_quoted()))
}
