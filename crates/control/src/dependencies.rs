//! How the operations of a session depend on each other.

use std::collections::{BTreeMap, BTreeSet};

use catalog::SessionId;
use draft::depend::Why;
use draft::{Draft, depend};
use store::sessions::{self, Operation};
use tokio_postgres::GenericClient;

use crate::diff::{View, head_numbers, reading};
use crate::merge::RESOLVE;
use crate::{Control, ControlError};

/// An operation that cannot be without another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The operation.
    pub operation: String,
    /// The one it needs.
    pub depends_on: String,
    /// `same row`, `foreign key`, `unique key`, `read`, `truncate` or `conflict`.
    pub kind: String,
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Why, in words, with one of the rows.
    pub reason: String,
}

impl Control {
    /// Which operations of a session need which, in the order of the operations.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`] where its rows are gone,
    /// [`ControlError::SchemaMoved`], and what PostgreSQL says.
    pub async fn dependencies(&self, session: &str) -> Result<Vec<Dependency>, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let heads = head_numbers(&catalog);
        let mut client = self.client().await?;
        let transaction = reading(&mut client).await?;
        let view = View::of(&transaction, &catalog, &heads, session).await?;
        let graph = Graph::of(&transaction, view.session.sid, &view.drafts).await?;
        transaction.commit().await?;
        Ok(graph.edges.into_iter().map(|edge| edge.told).collect())
    }
}

/// The operations of a session and what they need.
pub(crate) struct Graph {
    pub(crate) operations: Vec<Operation>,
    edges: Vec<Edge>,
}

struct Edge {
    op: i64,
    needs: i64,
    told: Dependency,
}

/// A draft's rows are newer than the statistics of heads and logs, and a join of two sets of them
/// that is planned for one row never ends (measured: 9 minutes for 100,000 rows).
pub(crate) async fn planned_for_many(client: &impl GenericClient) -> Result<(), ControlError> {
    Ok(client
        .batch_execute("SET LOCAL enable_nestloop = off")
        .await?)
}

/// Where the base is looked at, key by key.
pub(crate) async fn planned_as_usual(client: &impl GenericClient) -> Result<(), ControlError> {
    Ok(client
        .batch_execute("SET LOCAL enable_nestloop TO DEFAULT")
        .await?)
}

/// Which way a choice has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// With all that it needs.
    Needed,
    /// With all that needs it.
    Needing,
}

impl Graph {
    pub(crate) async fn of(
        client: &impl GenericClient,
        sid: SessionId,
        drafts: &[Draft<'_>],
    ) -> Result<Self, ControlError> {
        let operations = sessions::operations(client, sid).await?;
        planned_for_many(client).await?;
        let names: BTreeMap<i64, &str> =
            operations.iter().map(|o| (o.op, o.name.as_str())).collect();
        let name = |op: i64| {
            names
                .get(&op)
                .map_or_else(|| op.to_string(), |name| (*name).to_owned())
        };
        let settling = operations.iter().filter(|o| o.statement == RESOLVE);
        let settling: Vec<i64> = settling.map(|o| o.op).collect();
        let mut edges = Vec::new();
        for draft in drafts {
            let mut known = BTreeSet::new();
            for (why, text) in depend::texts(draft, drafts, (sid, &settling)) {
                for row in client.query_typed(&text, &[]).await? {
                    let (op, needs) = (row.try_get("op")?, row.try_get("needs")?);
                    if !known.insert((op, needs)) && why == Why::Sought {
                        continue;
                    }
                    edges.push(Edge {
                        op,
                        needs,
                        told: Dependency {
                            operation: name(op),
                            depends_on: name(needs),
                            kind: why.as_str().to_owned(),
                            schema: draft.relation.schema.clone(),
                            table: draft.relation.name.clone(),
                            reason: row.try_get("reason")?,
                        },
                    });
                }
            }
        }
        planned_as_usual(client).await?;
        edges.sort_by_key(|edge| (edge.op, edge.needs));
        Ok(Self { operations, edges })
    }

    /// The open operations of these names.
    pub(crate) fn find(
        &self,
        session: &str,
        names: &[String],
    ) -> Result<BTreeSet<i64>, ControlError> {
        let find = |name: &String| {
            let open = |o: &&Operation| o.name == *name && o.state.is_live();
            self.operations.iter().find(open).map(|o| o.op)
        };
        let unknown: Vec<String> = names
            .iter()
            .filter(|n| find(n).is_none())
            .cloned()
            .collect();
        if !unknown.is_empty() {
            return Err(ControlError::NoSuchOperations {
                session: session.to_owned(),
                operations: unknown,
            });
        }
        Ok(names.iter().filter_map(find).collect())
    }

    /// A choice with all that belongs to it, and why.
    pub(crate) fn closed(
        &self,
        chosen: &BTreeSet<i64>,
        way: Way,
    ) -> (BTreeSet<i64>, Vec<Dependency>) {
        let mut all = chosen.clone();
        let mut because = Vec::new();
        loop {
            let before = all.len();
            for edge in &self.edges {
                let (from, to) = match way {
                    Way::Needed => (edge.op, edge.needs),
                    Way::Needing => (edge.needs, edge.op),
                };
                if all.contains(&from) && all.insert(to) {
                    because.push(edge.told.clone());
                }
            }
            if all.len() == before {
                return (all, because);
            }
        }
    }

    /// Names in the order of the operations.
    pub(crate) fn names(&self, of: &BTreeSet<i64>) -> Vec<String> {
        let named = self.operations.iter().filter(|o| of.contains(&o.op));
        named.map(|o| o.name.clone()).collect()
    }
}
