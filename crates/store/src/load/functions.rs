//! Functions, what those in SQL run, and what calls them unseen.

use std::collections::HashMap;
use std::sync::Arc;

use catalog::{Catalog, Expressed, Function, FunctionBody, Gives, RelationId, Running, Volatility};
use tokio_postgres::GenericClient;

use super::letter;
use crate::Error;

/// What functions in SQL run, by their oids.
async fn bodies(client: &impl GenericClient) -> Result<HashMap<u32, Arc<FunctionBody>>, Error> {
    let rows = client
        .query_typed(include_str!("../../queries/bodies.sql"), &[])
        .await?;
    let mut bodies = HashMap::new();
    for row in rows {
        let named = |names: &str, types: &str| -> Result<Vec<(String, String)>, Error> {
            let names: Vec<String> = row.try_get(names)?;
            let types: Vec<String> = row.try_get(types)?;
            Ok(names.into_iter().zip(types).collect())
        };
        let gives = Gives {
            rows: row.try_get("rows")?,
            kind: row.try_get("kind")?,
            composite: row.try_get("composite")?,
            columns: named("column_names", "column_types")?,
        };
        let body = FunctionBody {
            text: row.try_get("text")?,
            qualified: row.try_get("qualified")?,
            parameters: named("names", "types")?,
            path: row
                .try_get::<_, Option<String>>("path")?
                .as_deref()
                .map(schemas),
            defaults: row.try_get("defaults")?,
            strict: row.try_get("strict")?,
            gives,
        };
        bodies.insert(row.try_get("id")?, Arc::new(body));
    }
    Ok(bodies)
}

/// The schemas of a `search_path` as PostgreSQL keeps it: names in quotes where they need them, none for "".
fn schemas(path: &str) -> Vec<String> {
    let mut quoted = false;
    let apart = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    let names = path.split(apart).map(str::trim);
    let names = names.map(|name| match name.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap_or(rest).replace("\"\"", "\""),
        None => name.to_lowercase(),
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// Fills functions and operators; returns the functions by oid, for what calls them unseen.
pub(super) async fn functions(
    client: &impl GenericClient,
    catalog: &mut Catalog,
) -> Result<HashMap<u32, Function>, Error> {
    let rows = client
        .query_typed(include_str!("../../queries/functions.sql"), &[])
        .await?;
    let bodies = bodies(client).await?;
    let mut by_oid = HashMap::new();
    for row in rows {
        let id: u32 = row.try_get("id")?;
        let function = Function {
            body: bodies.get(&id).cloned(),
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
            volatility: match letter(&row, "volatility")? {
                'i' => Volatility::Immutable,
                's' => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            security_definer: row.try_get("security_definer")?,
            language: row.try_get("language")?,
            extension: row.try_get("extension")?,
            aggregate: row.try_get("aggregate")?,
            rows: row.try_get("rows")?,
            types: row.try_get("types")?,
            source: row.try_get::<_, Option<String>>("source")?.map(Arc::from),
        };
        by_oid.insert(id, function.clone());
        let list = catalog.functions.entry(function.name.clone()).or_default();
        list.push(function);
    }
    let operators = client
        .query_typed(include_str!("../../queries/operators.sql"), &[])
        .await?;
    for row in operators {
        let list = catalog.operators.entry(row.try_get("name")?).or_default();
        list.extend(by_oid.get(&row.try_get("function")?).cloned());
    }
    Ok(by_oid)
}

/// What the expressions of tables call.
pub(super) async fn expressed(
    client: &impl GenericClient,
    functions: &HashMap<u32, Function>,
) -> Result<Vec<Expressed>, Error> {
    let rows = client
        .query_typed(include_str!("../../queries/expressions.sql"), &[])
        .await?;
    let mut expressed = Vec::new();
    for row in rows {
        if let Some(function) = functions.get(&row.try_get("function")?) {
            expressed.push(Expressed {
                relation: RelationId(row.try_get("relation")?),
                default: row.try_get("is_default")?,
                function: function.clone(),
            });
        }
    }
    Ok(expressed)
}

/// Types that run a function by themselves.
pub(super) async fn types(
    client: &impl GenericClient,
    functions: &HashMap<u32, Function>,
) -> Result<Vec<Running>, Error> {
    let rows = client
        .query_typed(include_str!("../../queries/types.sql"), &[])
        .await?;
    let mut types = Vec::new();
    for row in rows {
        let Some(function) = functions.get(&row.try_get("function")?) else {
            continue;
        };
        types.push(Running {
            id: row.try_get("type")?,
            name: row.try_get("name")?,
            relation: row.try_get::<_, Option<u32>>("relation")?.map(RelationId),
            function: function.clone(),
            writes: row.try_get("writes")?,
        });
    }
    Ok(types)
}
