//! Sorts a tree into the kinds of statement pgdraft knows, and walks what it holds.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    self as pb, CopyStmt, Node, TransactionStmtKind, VariableSetKind, VariableSetStmt,
};
use report::Report;

use crate::facts::{Change, Cursor, Facts, Unknown};
use crate::nested;
use crate::parse::{Body, Copy, Setting};
use crate::skipped::Skipped;
use crate::temporary;
use crate::walk::{Walker, byte, string_fields};

/// 0A000 for a statement kind or clause that has no draft form.
pub(crate) fn unsupported(what: &str) -> Report {
    Report::error("0A000", format!("{what} is not supported in a draft"))
        .detail("pgdraft refuses what it cannot keep away from production.")
        .hint("write it as SELECT, INSERT, UPDATE or DELETE, or ask a person to run it on the database itself")
}

/// Kind and facts of one statement; `command` is how it begins.
pub(crate) fn classify(node: NodeEnum, command: &str) -> (Body, Facts) {
    let mut walker = Walker::default();
    let body = match sort(node, command, &mut walker) {
        Ok(body) => body,
        Err(unknown) => Body::Refused(Box::new(unsupported(&unknown.what))),
    };
    let facts = walker.facts;
    let body = match (body, facts.misplaced) {
        (Body::Refused(report), _) => Body::Refused(report),
        (_, Some(at)) => Body::Refused(Box::new(
            Report::error(
                "0A000",
                "WITH clause containing a data-modifying statement must be at the top level",
            )
            .position(at + 1),
        )),
        _ if facts.into => Body::Refused(Box::new(
            unsupported("SELECT INTO")
                .hint("make the table a temporary one: SELECT … INTO TEMPORARY …"),
        )),
        (body, None) => body,
    };
    (body, facts)
}

fn sort(node: NodeEnum, command: &str, walker: &mut Walker) -> Result<Body, Unknown> {
    if let Some(change) = Change::of(&node) {
        walker.change(&change)?;
        return Ok(Body::Change(change));
    }
    if let Some(definition) = temporary::sort(&node, walker)? {
        walker.facts.into = false;
        return Ok(Body::Definition(definition));
    }
    Ok(match node {
        NodeEnum::SelectStmt(select) => {
            walker.select(&select)?;
            Body::Query
        }
        NodeEnum::ExplainStmt(explain) => inner_query(walker, explain.query.as_deref(), "EXPLAIN of this statement")?,
        NodeEnum::DeclareCursorStmt(cursor) => {
            walker.facts.cursor = Cursor::of(cursor.query.as_deref());
            walker.facts.declares = Some(cursor.portalname.clone());
            inner_query(walker, cursor.query.as_deref(), "DECLARE CURSOR for this statement")?
        }
        NodeEnum::CopyStmt(copy) => walk_copy(walker, &copy)?,
        NodeEnum::ExecuteStmt(execute) => {
            walker.expressions(&execute.params)?;
            Body::Execute(execute.name)
        }
        NodeEnum::LockStmt(lock) => Body::Lock(lock),
        NodeEnum::TruncateStmt(truncate) => Body::Truncate(truncate),
        NodeEnum::TransactionStmt(t) => transaction(t.kind),
        NodeEnum::VariableSetStmt(set) => setting(&set),
        NodeEnum::VariableShowStmt(show) => Body::Show(show.name.to_ascii_lowercase()),
        NodeEnum::DeallocateStmt(d) => Body::Deallocate((!d.isall).then_some(d.name)),
        NodeEnum::DiscardStmt(d) if d.target == pb::DiscardMode::DiscardAll as i32 => Body::DiscardAll,
        NodeEnum::DiscardStmt(d) if d.target == pb::DiscardMode::DiscardTemp as i32 => Body::DiscardTemp,
        NodeEnum::DiscardStmt(d) if d.target == pb::DiscardMode::DiscardSequences as i32 => Body::DiscardSequences,
        NodeEnum::DiscardStmt(_)
        | NodeEnum::FetchStmt(_)
        | NodeEnum::ClosePortalStmt(_)
        | NodeEnum::ListenStmt(_)
        | NodeEnum::UnlistenStmt(_) => Body::Harmless,
        NodeEnum::ConstraintsSetStmt(set) if set.constraints.is_empty() => Body::Harmless,
        NodeEnum::ConstraintsSetStmt(set) => Body::Constraints(
            set.constraints
                .into_iter()
                .filter_map(|node| match node.node {
                    Some(NodeEnum::RangeVar(name)) => Some(name),
                    _ => None,
                })
                .collect(),
        ),
        NodeEnum::NotifyStmt(_) => Body::Refused(Box::new(
            unsupported("NOTIFY").hint("a notification cannot be taken back: leave it to the application that reacts to the commit"),
        )),
        other => {
            let refusal = Box::new(refused_kind(&other, command));
            match Skipped::of(&other) {
                Some(skipped) => Body::Skipped(skipped, refusal),
                None => Body::Refused(refusal),
            }
        }
    })
}

/// The refusal of a kind of statement that has no form in a draft, named by its first words.
fn refused_kind(node: &NodeEnum, command: &str) -> Report {
    let report = unsupported(command);
    match node {
        NodeEnum::CreateStmt(_) | NodeEnum::CreateTableAsStmt(_) | NodeEnum::CreateSeqStmt(_) => {
            report.hint("make it a temporary one (CREATE TEMPORARY …), or ask a person to run it on the database itself")
        }
        NodeEnum::ViewStmt(_) => {
            report.hint("write its query where it is needed, as a subquery or under WITH")
        }
        NodeEnum::VacuumStmt(_)
        | NodeEnum::ReindexStmt(_)
        | NodeEnum::ClusterStmt(_)
        | NodeEnum::CheckPointStmt(_)
        | NodeEnum::RefreshMatViewStmt(_) => {
            report.hint("do without it: the people who run the database look after its upkeep")
        }
        _ if matches!(
            command.split(' ').next(),
            Some("CREATE" | "ALTER" | "DROP" | "COMMENT" | "GRANT" | "REVOKE")
        ) =>
        {
            report.hint("work with what is there, or ask a person to run it on the database itself")
        }
        _ => report,
    }
}

impl Cursor {
    fn of(query: Option<&Node>) -> Option<Self> {
        let Some(NodeEnum::SelectStmt(select)) = query?.node.as_ref() else {
            return None;
        };
        let item = |node: &Node| match node.node.as_ref() {
            Some(NodeEnum::ResTarget(target)) => {
                match target.val.as_deref().and_then(|v| v.node.as_ref()) {
                    Some(NodeEnum::ColumnRef(column)) => string_fields(&column.fields),
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        Some(Self {
            items: select.target_list.iter().map(item).collect(),
            rows: select.op == pb::SetOperation::SetopNone as i32
                && select.with_clause.is_none()
                && select.group_clause.is_empty()
                && select.having_clause.is_none()
                && select.distinct_clause.is_empty()
                && select.values_lists.is_empty()
                && !select.from_clause.is_empty(),
        })
    }
}

fn inner_query(
    walker: &mut Walker,
    query: Option<&Node>,
    else_what: &str,
) -> Result<Body, Unknown> {
    match query.and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => {
            walker.select(select)?;
            if walker.facts.parts.is_empty() {
                return Ok(Body::Query);
            }
            Ok(Body::Refused(Box::new(unsupported(else_what))))
        }
        _ => Ok(Body::Refused(Box::new(unsupported(else_what)))),
    }
}

fn walk_copy(walker: &mut Walker, copy: &CopyStmt) -> Result<Body, Unknown> {
    if copy.is_program || !copy.filename.is_empty() {
        return Ok(Body::Refused(Box::new(
            unsupported("COPY with a file or program on the server")
                .hint("use COPY … FROM STDIN or TO STDOUT"),
        )));
    }
    match copy.query.as_deref().and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => {
            walker.select(select)?;
        }
        Some(_) => {
            return Ok(Body::Refused(Box::new(unsupported(
                "COPY of this statement",
            ))));
        }
        None => {}
    }
    walker.facts.own_block = Some(walker.open_block());
    walker.pushed(copy.where_clause.as_deref())?;
    walker.close_block();
    Ok(Body::Copy(Copy {
        relation: copy.relation.as_ref().map(|r| {
            (
                (!r.schemaname.is_empty()).then(|| r.schemaname.clone()),
                r.relname.clone(),
                byte(r.location),
            )
        }),
        columns: string_fields(&copy.attlist),
        from: copy.is_from,
        freeze: copy.options.iter().find_map(freeze),
    }))
}

/// Where the option FREEZE stands, if it is on.
fn freeze(option: &Node) -> Option<usize> {
    match option.node.as_ref()? {
        NodeEnum::DefElem(option) if option.defname == "freeze" && !nested::is_off(option) => {
            Some(byte(option.location))
        }
        _ => None,
    }
}

fn transaction(kind: i32) -> Body {
    let refused = [
        TransactionStmtKind::TransStmtPrepare as i32,
        TransactionStmtKind::TransStmtCommitPrepared as i32,
        TransactionStmtKind::TransStmtRollbackPrepared as i32,
    ];
    if refused.contains(&kind) {
        Body::Refused(Box::new(unsupported("two-phase commit")))
    } else {
        Body::Transaction
    }
}

/// Settings that would take the ground away under the proxy.
const PINNED_SETTINGS: [&str; 4] = [
    "standard_conforming_strings",
    "role",
    "session_authorization",
    "client_encoding",
];

fn setting(set: &VariableSetStmt) -> Body {
    let name = set.name.to_ascii_lowercase();
    let all = set.kind == VariableSetKind::VarResetAll as i32;
    let words: Vec<String> = set.args.iter().filter_map(crate::walk::constant).collect();
    let has_value = set.kind == VariableSetKind::VarSetValue as i32;
    let setting = Setting {
        value: has_value.then(|| words.join(", ")),
        local: set.is_local,
        all,
        name,
    };
    match pinned(&setting.name, setting.value.as_deref()) {
        Some(report) => Body::Refused(Box::new(report)),
        None => Body::Set(setting),
    }
}

/// Refusal for a setting that may not change, by SET or `set_config`; `value` is `None` for a reset.
pub(crate) fn pinned(name: &str, value: Option<&str>) -> Option<Report> {
    if name == "pgdraft.operation" {
        return None;
    }
    if name.starts_with("pgdraft.") {
        return Some(
            Report::error("42501", format!("permission denied to set parameter \"{name}\""))
                .detail("A connection belongs to one session from its start to its end.")
                .hint("connect again with options=-c pgdraft.session=… to work in another session; pgdraft.operation can be SET"),
        );
    }
    if !PINNED_SETTINGS.contains(&name) {
        return None;
    }
    let folded = value.map(|v| v.to_ascii_lowercase().replace(['-', '_'], ""));
    let harmless = match (name, folded.as_deref()) {
        (_, None) => true,
        ("client_encoding", Some(v)) => v == "utf8" || v == "unicode",
        ("standard_conforming_strings", Some(v)) => ["on", "true", "yes", "1"].contains(&v),
        _ => false,
    };
    (!harmless).then(|| {
        Report::error("0A000", format!("parameter \"{name}\" cannot be changed in a draft"))
            .detail("Statements are read as UTF-8 with standard strings, by the role that cannot write production.")
            .hint("leave it as it is")
    })
}
