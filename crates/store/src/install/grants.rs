//! What the two roles are granted on the user's schemas.

use catalog::{quote_identifier, quote_qualified};
use tokio_postgres::Client;

use crate::{Error, Roles};

/// GRANT statements, and what could not be granted.
pub(super) struct Grants {
    /// Without semicolons.
    pub(super) statements: Vec<String>,
    /// One sentence each.
    pub(super) missing: Vec<String>,
}

/// One schema as the installing user sees it.
struct Schema {
    name: String,
    may_grant: bool,
    /// Tables and views, with whether the user may grant on them.
    tables: Vec<(String, bool)>,
    sequences: Vec<(String, bool)>,
}

const AGENT: (&str, &str) = ("SELECT", "USAGE, SELECT");
const CONTROL: (&str, &str) = ("SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT, UPDATE");

/// Plans the grants on all present relations and, by default privileges, on future ones.
pub(super) async fn plan(client: &Client, roles: &Roles) -> Result<Grants, Error> {
    let mut grants = Grants {
        statements: Vec::new(),
        missing: Vec::new(),
    };
    let both = [
        (roles.agent_quoted(), AGENT),
        (roles.control_quoted(), CONTROL),
    ];
    for schema in schemas(client).await? {
        let name = quote_identifier(&schema.name);
        if schema.may_grant {
            let to = format!("{}, {}", both[0].0, both[1].0);
            grants
                .statements
                .push(format!("GRANT USAGE ON SCHEMA {name} TO {to}"));
        } else {
            grants
                .missing
                .push(format!("USAGE on schema {name} cannot be granted."));
        }
        for (role, (on_tables, on_sequences)) in &both {
            for (objects, kind, rights) in [
                (&schema.tables, "TABLE", on_tables),
                (&schema.sequences, "SEQUENCE", on_sequences),
            ] {
                on_objects(
                    &mut grants.statements,
                    &schema.name,
                    objects,
                    (&format!("GRANT {rights} ON"), kind),
                    role,
                );
            }
        }
        for (object, may) in schema.tables.iter().chain(&schema.sequences) {
            if !may {
                let object = quote_qualified(&schema.name, object);
                grants
                    .missing
                    .push(format!("Rights on {object} cannot be granted."));
            }
        }
    }
    default_privileges(client, &both, &mut grants).await?;
    Ok(grants)
}

fn on_objects(
    out: &mut Vec<String>,
    schema: &str,
    objects: &[(String, bool)],
    (start, kind): (&str, &str),
    role: &str,
) {
    if objects.is_empty() {
        return;
    }
    if objects.iter().all(|(_, may)| *may) {
        let schema = quote_identifier(schema);
        out.push(format!("{start} ALL {kind}S IN SCHEMA {schema} TO {role}"));
        return;
    }
    for (name, _) in objects.iter().filter(|(_, may)| *may) {
        let name = quote_qualified(schema, name);
        out.push(format!("{start} {kind} {name} TO {role}"));
    }
}

async fn schemas(client: &Client) -> Result<Vec<Schema>, Error> {
    // Not pg_has_role(…, 'MEMBER'): only rights that work without SET ROLE count.
    let rows = client
        .query_typed(
            "SELECT n.nspname::text,
                    pg_has_role(n.nspowner, 'USAGE') OR has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION'),
                    c.relname::text, c.relkind = 'S',
                    pg_has_role(c.relowner, 'USAGE')
             FROM pg_namespace n
             LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
             WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
             ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"", &[])
        .await?;
    let mut schemas: Vec<Schema> = Vec::new();
    for row in rows {
        let name: String = row.try_get(0)?;
        if schemas.last().is_none_or(|last| last.name != name) {
            schemas.push(Schema {
                name,
                may_grant: row.try_get(1)?,
                tables: Vec::new(),
                sequences: Vec::new(),
            });
        }
        let (Some(schema), Some(object)) = (schemas.last_mut(), row.try_get(2)?) else {
            continue;
        };
        let object: (String, bool) = (object, row.try_get(4)?);
        if row.try_get(3)? {
            schema.sequences.push(object);
        } else {
            schema.tables.push(object);
        }
    }
    Ok(schemas)
}

/// Future tables: default privileges of everybody who owns something today.
async fn default_privileges(
    client: &Client,
    both: &[(String, (&str, &str)); 2],
    grants: &mut Grants,
) -> Result<(), Error> {
    let rows = client
        .query(
            "SELECT r.rolname::text, pg_has_role(r.oid, 'USAGE')
             FROM pg_roles r
             WHERE r.rolname !~ '^pg_' AND (r.rolname = current_user OR r.oid IN (
                 SELECT n.nspowner FROM pg_namespace n
                 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'
                 UNION SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND n.nspname !~ '^pg_(toast|temp)'))
             ORDER BY r.rolname COLLATE \"C\"",
            &[],
        )
        .await?;
    for row in rows {
        let owner = quote_identifier(row.try_get(0)?);
        if !row.try_get::<_, bool>(1)? {
            grants.missing.push(format!(
                "Default privileges of {owner} cannot be set; run pgdraft init again after it made new tables."
            ));
            continue;
        }
        for (role, (on_tables, on_sequences)) in both {
            for (rights, kind) in [
                (*on_tables, "TABLES"),
                (*on_sequences, "SEQUENCES"),
                ("USAGE", "SCHEMAS"),
            ] {
                grants.statements.push(format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT {rights} ON {kind} TO {role}"
                ));
            }
        }
    }
    Ok(())
}

/// Rights that `role` has on production besides ours, as sentences.
pub(super) async fn warnings(client: &Client, role: &str) -> Result<Vec<String>, Error> {
    let mut sentences: Vec<String> = crate::exposed_tables(client, role)
        .await?
        .iter()
        .map(|name| {
            format!(
                "PUBLIC, and so every agent, may write {name}, and pgdraft serve will not start: REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {name} FROM PUBLIC."
            )
        })
        .collect();
    let rows = client
        .query(
            "SELECT 'schemas'::text, format('%I', n.nspname) FROM pg_namespace n
             WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_schema_privilege($1, n.oid, 'CREATE')
             UNION ALL
             SELECT 'database', format('%I', current_database()) WHERE has_database_privilege($1, current_database(), 'CREATE')
             ORDER BY 1, 2 LIMIT 20",
            &[&role],
        )
        .await?;
    for row in rows {
        let (kind, name): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        sentences.push(match kind {
            "schemas" => format!(
                "PUBLIC, and so every agent, may create objects in schema {name}; REVOKE CREATE ON SCHEMA {name} FROM PUBLIC."
            ),
            _ => format!(
                "PUBLIC, and so every agent, may create schemas in database {name}; REVOKE CREATE ON DATABASE {name} FROM PUBLIC."
            ),
        });
    }
    Ok(sentences)
}
