//! Removing everything that [`crate::install()`] made.

use std::time::Duration;

use tokio_postgres::Client;

use crate::{Error, Roles};

/// Heads that one transaction drops: each takes some fifty locks.
const HEADS_AT_ONCE: usize = 10;

/// How to uninstall.
#[derive(Debug, Clone, Copy, Default)]
pub struct UninstallOptions {
    /// End agents' upstream connections instead of refusing.
    pub terminate: bool,
    /// Only say what would run.
    pub dry_run: bool,
}

/// Drops the schema with every draft in it, all grants and the roles, so that a dump of the
/// database's schema is what it was before. Returns the script that ran; empty where nothing was
/// installed.
///
/// Several transactions, because PostgreSQL keeps a lock on everything that one drops and has room for
/// so many only: the first ends all drafts for good, then the heads go a few at a time, and the
/// schema goes last. After an interruption it is run again.
///
/// # Errors
/// [`Error::AgentsConnected`] unless `terminate`, [`Error::ForeignSchema`], [`Error::Database`].
pub async fn uninstall(client: &Client, options: &UninstallOptions) -> Result<String, Error> {
    // Refuses a schema of that name that is not ours.
    let installed = match crate::status(client).await {
        Err(Error::HalfRemoved) => true,
        found => found? != crate::Status::NotInstalled,
    };
    let database: String = client
        .query_typed_one("SELECT current_database()::text", &[])
        .await?
        .try_get(0)?;
    let roles = Roles::of(&database);
    let script = script(client, &roles, installed).await?;
    if options.dry_run || script.is_empty() {
        return Ok(script);
    }
    no_agents(client, &roles, options.terminate).await?;
    if let Err(error) = client.batch_execute(&script).await {
        let _ = client.batch_execute("ROLLBACK").await;
        return Err(error.into());
    }
    Ok(script)
}

async fn script(client: &Client, roles: &Roles, installed: bool) -> Result<String, Error> {
    let mut grants = String::new();
    let mut body = String::new();
    let mut present = Vec::new();
    for (role, quoted) in [
        (&roles.control, roles.control_quoted()),
        (&roles.keeper, roles.keeper_quoted()),
        (&roles.agent, roles.agent_quoted()),
    ] {
        let row = client
            .query_opt(
                "SELECT pg_has_role(r.oid, 'USAGE'), quote_ident(current_user) FROM pg_roles r WHERE r.rolname = $1",
                &[role],
            )
            .await?;
        let Some(row) = row else { continue };
        if !row.try_get::<_, bool>(0)? {
            // DROP OWNED wants membership.
            let user: String = row.try_get(1)?;
            grants.push_str(&format!("GRANT {quoted} TO {user};\n"));
        }
        present.push(quoted);
    }
    let mut heads = String::new();
    if installed {
        // Without its table of sessions no draft can be written, read or committed: what has lost
        // some of its heads must not reach production in part.
        grants.push_str("DROP TABLE IF EXISTS pgdraft.sessions CASCADE;\n");
        for batch in drops(client).await?.chunks(HEADS_AT_ONCE) {
            heads.push_str(&transaction(&batch.concat()));
        }
        body.push_str("DROP SCHEMA pgdraft CASCADE;\n");
    }
    if !present.is_empty() {
        let list = present.join(", ");
        body.push_str(&format!("DROP OWNED BY {list};\nDROP ROLE {list};\n"));
    }
    if body.is_empty() {
        return Ok(body);
    }
    Ok(format!(
        "-- pgdraft: removes the schema, all drafts in it, every grant and the roles\n{}{heads}{}",
        transaction(&grants),
        transaction(&body)
    ))
}

fn transaction(body: &str) -> String {
    match body {
        "" => String::new(),
        _ => format!("BEGIN;\nSET LOCAL client_min_messages = warning;\n{body}COMMIT;\n"),
    }
}

/// What drops each head, by what is there: some may be gone already.
async fn drops(client: &Client) -> Result<Vec<String>, Error> {
    let rows = client
        .query(
            "SELECT string_agg(format('DROP %s IF EXISTS %s CASCADE;', o.kind, o.name), E'\\n' ORDER BY o.kind, o.name) || E'\\n'
             FROM (SELECT 'ROUTINE' AS kind, p.proname AS bare,
                          format('pgdraft.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS name
                   FROM pg_proc p WHERE p.pronamespace = 'pgdraft'::regnamespace
                   UNION ALL
                   SELECT 'TABLE', c.relname, format('pgdraft.%I', c.relname)
                   FROM pg_class c WHERE c.relnamespace = 'pgdraft'::regnamespace AND c.relkind = 'r') o
             WHERE o.bare ~ '^d[0-9]+(_|$)'
             GROUP BY substring(o.bare FROM '^d([0-9]+)')
             ORDER BY substring(o.bare FROM '^d([0-9]+)')::bigint",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Makes sure that nobody is logged in with the agent role.
async fn no_agents(client: &Client, roles: &Roles, terminate: bool) -> Result<(), Error> {
    let connected = async || -> Result<i64, Error> {
        let row = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = $1::text::name",
                &[&roles.agent],
            )
            .await?;
        Ok(row.try_get(0)?)
    };
    let count = connected().await?;
    if count == 0 {
        return Ok(());
    }
    if !terminate {
        return Err(Error::AgentsConnected(count));
    }
    let mut ended = Ok(0);
    for _ in 0..100 {
        // One that ends by itself at this moment has no role any more, and PostgreSQL says 42501.
        ended = client
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1::text::name",
                &[&roles.agent],
            )
            .await;
        if connected().await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ended?;
    Err(Error::AgentsConnected(connected().await?))
}
