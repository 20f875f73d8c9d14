//! What a statement leaves behind on its server connection once its transaction is over.
//!
//! A proxy that gives the connection to another client in between has to know: settings can be
//! replayed, a temporary table cannot.

use pg_query::NodeEnum;
use pg_query::protobuf::{DiscardMode, RangeVar, VariableSetKind, VariableSetStmt};

use crate::facts::Facts;
use crate::rewrite::security;

/// What a statement leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaves {
    /// Names of settings that have other values afterwards, in lower case.
    pub settings: Vec<String>,
    /// RESET ALL or DISCARD ALL: every setting may have another value.
    pub all_settings: bool,
    /// The application's name goes back to what the connection began with.
    pub default_name: bool,
    /// Something that only this server connection has, in a word for people.
    pub pin: Option<&'static str>,
    /// DISCARD ALL: nothing of what was pinned is left.
    pub discards: bool,
}

/// DECLARE … WITH HOLD (`CURSOR_OPT_HOLD` in PostgreSQL's `parsenodes.h`).
const CURSOR_HOLD: i32 = 0x20;

/// Functions whose effect lives as long as the connection.
const PINNING: [(&str, &str); 5] = [
    ("pg_advisory_lock", "an advisory lock"),
    ("pg_advisory_lock_shared", "an advisory lock"),
    ("pg_try_advisory_lock", "an advisory lock"),
    ("pg_try_advisory_lock_shared", "an advisory lock"),
    ("setseed", "a random seed"),
];

/// Settings under which PostgreSQL reads a statement's constants as it is prepared, and of which it tells nobody.
pub const READ_UNREPORTED: [&str; 4] = [
    "array_nulls",
    "lc_monetary",
    "transform_null_equals",
    "xmloption",
];

/// What a statement leaves behind by its kind.
pub(crate) fn of_tree(node: &NodeEnum) -> Leaves {
    let mut leaves = Leaves {
        pin: pin(node),
        ..Leaves::default()
    };
    match node {
        NodeEnum::VariableSetStmt(set) => setting(set, &mut leaves),
        NodeEnum::DiscardStmt(discard) => {
            leaves.discards = discard.target == DiscardMode::DiscardAll as i32;
            leaves.all_settings = leaves.discards;
        }
        _ => {}
    }
    leaves
}

impl Leaves {
    /// And what the functions that it calls leave.
    pub(crate) fn add_calls(&mut self, facts: &Facts) {
        for call in &facts.calls {
            if call.name == "set_config" {
                let name = call.first_constant.as_deref();
                self.settings.extend(name.map(str::to_ascii_lowercase));
                if name.is_none() {
                    self.pin = self.pin.or(Some("a setting of a computed name"));
                }
            }
            let known = PINNING.iter().find(|(name, _)| call.name == *name);
            self.pin = self.pin.or(known.map(|(_, what)| *what));
        }
    }
}

fn setting(set: &VariableSetStmt, leaves: &mut Leaves) {
    if set.kind == VariableSetKind::VarResetAll as i32 {
        leaves.all_settings = true;
        return;
    }
    let name = set.name.to_ascii_lowercase();
    let kinds = [VariableSetKind::VarReset, VariableSetKind::VarSetDefault];
    let to_default = kinds.iter().any(|kind| set.kind == *kind as i32);
    leaves.default_name = to_default && !set.is_local && name == "application_name";
    match name.as_str() {
        // ends with the transaction
        "transaction" | "transaction snapshot" => {}
        "session characteristics" => leaves.settings.extend(
            [
                "default_transaction_isolation",
                "default_transaction_read_only",
                "default_transaction_deferrable",
            ]
            .map(str::to_owned),
        ),
        "seed" => leaves.pin = Some("a random seed"),
        // gone with the transaction; statements that are prepared in it are not
        own if set.is_local && !READ_UNREPORTED.contains(&own) => {}
        security::NAME => leaves.settings.push(security::OURS.to_owned()),
        _ => leaves.settings.push(name),
    }
}

fn pin(node: &NodeEnum) -> Option<&'static str> {
    let temporary = |relation: Option<&RangeVar>| {
        let relation = relation?;
        let is = relation.relpersistence == "t" || relation.schemaname == "pg_temp";
        is.then_some("a temporary table")
    };
    match node {
        NodeEnum::ListenStmt(_) => Some("LISTEN"),
        NodeEnum::PrepareStmt(_) => Some("PREPARE"),
        NodeEnum::LoadStmt(_) => Some("LOAD"),
        NodeEnum::DeclareCursorStmt(cursor) if cursor.options & CURSOR_HOLD != 0 => {
            Some("a cursor WITH HOLD")
        }
        NodeEnum::CreateStmt(create) => temporary(create.relation.as_ref()),
        NodeEnum::CreateTableAsStmt(create) => {
            temporary(create.into.as_ref().and_then(|into| into.rel.as_ref()))
        }
        NodeEnum::SelectStmt(select) => temporary(
            select
                .into_clause
                .as_ref()
                .and_then(|into| into.rel.as_ref()),
        ),
        NodeEnum::ExplainStmt(explain) => pin(explain.query.as_deref()?.node.as_ref()?),
        NodeEnum::ViewStmt(view) => temporary(view.view.as_ref()),
        NodeEnum::CreateSeqStmt(create) => temporary(create.sequence.as_ref()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(text: &str) -> Leaves {
        let script = crate::parse(text).unwrap();
        script.statements.first().unwrap().leaves.clone()
    }

    #[test]
    fn settings_are_named() {
        assert_eq!(leaves("SET Work_Mem = '4MB'").settings, ["work_mem"]);
        assert_eq!(leaves("SET TIME ZONE 'UTC'").settings, ["timezone"]);
        assert_eq!(leaves("RESET search_path").settings, ["search_path"]);
        assert_eq!(
            leaves("SELECT 1, set_config('App.Tenant', '7', false)").settings,
            ["app.tenant"]
        );
        assert_eq!(
            leaves("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                .settings
                .len(),
            3
        );
        assert!(leaves("RESET ALL").all_settings);
        assert!(leaves("RESET Application_Name").default_name);
        assert!(leaves("SET application_name TO DEFAULT").default_name);
        assert!(!leaves("SET application_name = 'x'").default_name);
        assert!(leaves("DISCARD ALL").all_settings && leaves("DISCARD ALL").discards);
        for nothing in [
            "SET LOCAL work_mem = '4MB'",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "DISCARD PLANS",
            "SELECT 1",
        ] {
            assert_eq!(leaves(nothing), Leaves::default(), "{nothing}");
        }
    }

    #[test]
    fn what_cannot_move_pins() {
        for text in [
            "LISTEN x",
            "PREPARE p AS SELECT 1",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "CREATE TEMP TABLE t (a int)",
            "CREATE TEMP TABLE t AS SELECT 1",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_catalog.pg_try_advisory_lock_shared(1, 2)",
            "SELECT setseed(0.5)",
            "SET seed = 0.5",
        ] {
            assert!(leaves(text).pin.is_some(), "{text}");
        }
        for text in [
            "UNLISTEN *",
            "DECLARE c CURSOR FOR SELECT 1",
            "CREATE TABLE t (a int)",
            "SELECT pg_advisory_xact_lock(1)",
        ] {
            assert!(leaves(text).pin.is_none(), "{text}");
        }
    }
}
