//! Case files under `tests/cases`: texts in, what the console makes of them out.
//! `REWRITE=1 cargo test` accepts new output, which is then read in review.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use control::{
    Change, Changed, Chosen, Dependency, DiffRow, DiffType, OperationSummary, Separated,
    SessionState, SessionSummary, Space, StaleRead, Summary, SummaryRow,
};
use report::code;

/// Two agents with a session each; remembers what was ended.
#[derive(Default)]
struct Fake {
    ended: Mutex<Vec<String>>,
}

#[async_trait]
impl Drafts for Fake {
    async fn owner(&self, session: &str) -> Result<Option<String>, Report> {
        Ok(match session {
            "s1" => Some("ann".into()),
            "s2" => Some("bob".into()),
            _ => None,
        })
    }

    async fn sessions(&self, agent: Option<&str>) -> Result<Vec<SessionSummary>, Report> {
        Ok([("s1", "ann"), ("s2", "bob")]
            .into_iter()
            .filter(|(_, owner)| agent.is_none_or(|a| a == *owner))
            .map(|(name, owner)| SessionSummary {
                name: name.into(),
                agent: owner.into(),
                state: SessionState::Open,
                operations: 2,
                tables: 1,
                rows: 3,
                created_at: "2026-01-01 00:00:00+00".into(),
                ended_at: None,
                ended_by: None,
            })
            .collect())
    }

    async fn operations(&self, _: &str) -> Result<Vec<OperationSummary>, Report> {
        Ok(vec![OperationSummary {
            name: "restock".into(),
            agent: "ann".into(),
            started_at: "2026-01-01 00:00:00+00".into(),
            duration_ms: Some(3),
            state: SessionState::Open,
            client_address: None,
            inserted: 0,
            updated: 1,
            deleted: 0,
            tables: vec!["shop.stock".into()],
            statement: "UPDATE stock SET quantity = $1".into(),
        }])
    }

    async fn kept_statements(&self, _: &str) -> Result<HashMap<String, String>, Report> {
        let text = "UPDATE stock SET quantity = $1 /* parameters: $1 = '7' */";
        Ok(HashMap::from([("restock".to_owned(), text.to_owned())]))
    }

    async fn diff(&self, _: &str, asked: &Asked) -> Result<(Vec<DiffRow>, String), Report> {
        let rows = vec![DiffRow {
            operation: "restock".into(),
            schema: "shop".into(),
            table: asked
                .table
                .as_ref()
                .map_or("Stock".into(), |t| t.name.clone()),
            diff_type: asked.filter.kind.unwrap_or(DiffType::Modified),
            primary_key: "{\"id\": 1}".into(),
            from: Some("{\"a b\": 1}".into()),
            to: Some("{\"a b\": 2}".into()),
            changed_columns: vec!["a b".into(), "c".into(), "d\"e".into(), "NULL".into()],
        }];
        Ok((rows, "f00d".into()))
    }

    async fn stale_reads(&self, _: &str) -> Result<Vec<StaleRead>, Report> {
        Ok(vec![StaleRead {
            operation: Some("restock".into()),
            schema: "shop".into(),
            table: "stock".into(),
            read: Some(2),
            changed: 1,
            removed: 0,
            came: None,
            keys: Some("[[7]]".into()),
            read_at: "2026-01-01 00:00:00+00".into(),
            statement: "SELECT quantity FROM stock WHERE id = $1".into(),
        }])
    }

    async fn stale(&self, _: &str) -> Result<Option<String>, Report> {
        Ok(None)
    }

    async fn dependencies(&self, _: &str) -> Result<Vec<Dependency>, Report> {
        Ok(vec![Dependency {
            operation: "ship".into(),
            depends_on: "restock".into(),
            kind: "same row".into(),
            schema: "shop".into(),
            table: "stock".into(),
            reason: "both change row (id)=(1)".into(),
        }])
    }

    async fn commit_operations(&self, chosen: &Chosen<'_>, by: &str) -> Result<Separated, Report> {
        self.ended
            .lock()
            .unwrap()
            .push(format!("commit {chosen:?} by {by}"));
        Ok(Separated {
            operations: chosen.operations.to_vec(),
            part: Some(format!("{}#1", chosen.session)),
            rows: 2,
            tables: 1,
        })
    }

    async fn discard_operations(&self, chosen: &Chosen<'_>) -> Result<Separated, Report> {
        self.ended
            .lock()
            .unwrap()
            .push(format!("discard {chosen:?}"));
        Ok(Separated {
            operations: chosen.operations.to_vec(),
            part: None,
            rows: 1,
            tables: 1,
        })
    }

    async fn summary(&self, _: &str, _: &Asked) -> Result<Summary, Report> {
        Ok(Summary {
            rows: vec![SummaryRow {
                schema: "shop".into(),
                table: "stock".into(),
                diff_type: DiffType::Modified,
                what: "cluster".into(),
                column: Some("state".into()),
                from: Some("todo".into()),
                to: Some("done".into()),
                difference: None,
                rows: 4812,
                changes: Some(1),
                primary_key: None,
            }],
            fingerprint: "f00d".into(),
        })
    }

    async fn change(&self, _: &str, _: &str, change: &Change) -> Result<Changed, Report> {
        Ok(match change {
            Change::Propose | Change::Reopen => Changed::Done,
            Change::Conflicts => Changed::Conflicts(Vec::new()),
            Change::Rebase => Changed::Rebased {
                changes: Vec::new(),
                left: 0,
            },
            Change::Resolve(..) => Changed::Left {
                left: 1,
                settled: 1,
            },
            Change::Rehearse => Changed::Rehearsed(control::Rehearsal::default()),
            Change::Rewind(_) => Changed::Rewound(2),
            Change::Revert(_, name) => Changed::Made {
                session: name.clone().unwrap_or_default(),
                rows: 3,
            },
            Change::Fork(name, _) => Changed::Made {
                session: name.clone(),
                rows: 3,
            },
        })
    }

    async fn space(&self) -> Result<Vec<Space>, Report> {
        Ok(vec![Space {
            schema: "shop".into(),
            table: "stock".into(),
            head_bytes: 16384,
            log_bytes: 8192,
            rows: 6,
            dead_rows: 1,
            vacuumed_at: None,
        }])
    }

    fn table(&self, _: &TableName) -> Result<catalog::RelationId, Report> {
        Ok(catalog::RelationId(1))
    }

    async fn commit(
        &self,
        session: &str,
        by: &str,
        fingerprint: Option<&str>,
    ) -> Result<Ended, Report> {
        self.ended
            .lock()
            .unwrap()
            .push(format!("commit {session} by {by} bound to {fingerprint:?}"));
        Ok(Ended { rows: 1, tables: 1 })
    }

    async fn discard(&self, session: &str, by: &str) -> Result<Ended, Report> {
        if session == "ended" {
            return Err(Report::error(code::SESSION_ENDED, "session is committed"));
        }
        self.ended
            .lock()
            .unwrap()
            .push(format!("discard {session} by {by}"));
        Ok(Ended { rows: 3, tables: 2 })
    }
}

/// Input blocks are separated by a line `----`; the output of each follows after `=>`.
fn check(name: &str, render: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut out = String::new();
    for (i, block) in text.split("\n----\n").enumerate() {
        let input = block.split("\n=>").next().unwrap().trim_matches('\n');
        if i > 0 {
            out.push_str("\n----\n");
        }
        write!(out, "{input}\n=>\n{}", render(input).trim_end()).unwrap();
    }
    out.push('\n');
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&path, &out).unwrap();
    }
    assert_eq!(text, out, "REWRITE=1 accepts the new output of {name}");
}

fn render_report(report: &Report) -> String {
    format!(
        "{:?} {}: {}\ndetail: {}\nhint: {}\nposition: {}\n",
        report.severity,
        report.code,
        report.message,
        report.detail.as_deref().unwrap_or("-"),
        report.hint.as_deref().unwrap_or("-"),
        report.position.map_or("-".into(), |p| p.to_string())
    )
}

/// What else was written, as far as it was.
fn rest(
    operations: &[String],
    key: &[String],
    rows: &Option<u32>,
    fingerprint: &Option<String>,
    words: &[&str],
) -> String {
    let mut out = String::new();
    for (name, list) in [("operations", operations), ("key", key)] {
        if !list.is_empty() {
            write!(out, " {name}={list:?}").unwrap();
        }
    }
    if let Some(rows) = rows {
        write!(out, " rows={rows}").unwrap();
    }
    if let Some(fingerprint) = fingerprint {
        write!(out, " fingerprint={fingerprint:?}").unwrap();
    }
    if !words.is_empty() {
        write!(out, " words={words:?}").unwrap();
    }
    out
}

#[test]
fn grammar() {
    check("grammar.txt", |input| match recognise(input) {
        None => "PostgreSQL's".into(),
        Some(Recognised::Command(request)) => format!(
            "{} session={:?} table={:?}{}",
            request.spec.usage(),
            request.session,
            request.table.map(|t| (t.schema, t.name)),
            rest(
                &request.operations,
                &request.key,
                &request.rows,
                &request.fingerprint,
                &request.words
            )
        ),
        Some(Recognised::NearMiss(report)) => render_report(&report),
    });
}

#[test]
fn privileges() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    check("privileges.txt", |input| {
        let (who, text) = input.split_once(": ").unwrap();
        let (name, own_session) = match who.split_once('@') {
            Some((name, session)) => (name, Some(session)),
            None => (who, None),
        };
        let caller = Caller {
            name,
            reviewer: name == "rita",
            own_session,
            process: None,
        };
        let Some(Recognised::Command(request)) = recognise(text) else {
            panic!("no command: {text}");
        };
        let fake = Fake::default();
        let mut out = String::new();
        match runtime.block_on(run(&fake, &caller, &request)) {
            Ok(rows) => {
                for notice in &rows.notices {
                    writeln!(out, "{:?}: {}", notice.severity, notice.message).unwrap();
                }
                for row in &rows.rows {
                    assert_eq!(row.len(), request.spec.columns.len());
                    let values: Vec<&str> =
                        row.iter().map(|v| v.as_deref().unwrap_or("∅")).collect();
                    writeln!(out, "{}", values.join(" | ")).unwrap();
                }
                writeln!(out, "{}", request.spec.tag).unwrap();
            }
            Err(report) => out.push_str(&render_report(&report)),
        }
        for ended in fake.ended.lock().unwrap().iter() {
            writeln!(out, "did: {ended}").unwrap();
        }
        out
    });
}

#[test]
fn every_command_is_read_from_its_own_usage() {
    for spec in COMMANDS {
        let text = spec
            .usage()
            .replace(['[', ']'], "")
            .replace("'operation', …", "'operation', 'another'")
            .replace(", …", "")
            .replace("LIMIT rows", "LIMIT 7")
            .replace("ADDED|MODIFIED|REMOVED", "REMOVED")
            .replace("OURS|THEIRS", "THEIRS");
        let Some(Recognised::Command(request)) = recognise(&text) else {
            panic!("not recognised: {text}");
        };
        assert_eq!(request.spec.usage(), spec.usage());
    }
}

/// Texts made of pieces of commands, cut anywhere: no panic, an answer in no time.
#[test]
fn hostile_texts() {
    let pieces = [
        "SHOW", "COMMIT", "SESSION", "'", "\"", "''", "/*", "*/", "--", ";", ".", "\0", "é", "IN",
        " ", "DIFF", "TABLE", "$1", "E'\\''", "\n",
    ];
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..20_000 {
        let pick = |seed: u64, n: usize| usize::try_from(seed % n as u64).unwrap();
        let mut text = String::from(["SHOW ", "COMMIT ", "DISCARD "][pick(seed, 3)]);
        for _ in 0..seed % 12 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text.push_str(pieces[pick(seed, pieces.len())]);
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if let Some(Recognised::NearMiss(report)) = recognise(&text) {
            let position = report.position.unwrap();
            assert!(
                position >= 1 && position <= text.chars().count() + 1,
                "{text:?}"
            );
        }
    }
    let deep = format!("COMMIT {}", "/*".repeat(100_000));
    assert!(recognise(&deep).is_none());
    assert!(recognise(&"/*".repeat(8_000)).is_none());
}
