//! What a subscriber of traces gets.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::TRACES;
use crate::servers::{PoolMode, PoolSettings};
use crate::testing::{Frames, Server};

type Fields = BTreeMap<&'static str, String>;

/// Spans that have ended, of all tests of this process.
static ENDED: Mutex<Vec<Fields>> = Mutex::new(Vec::new());

struct Collector;

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::from([("name", attributes.metadata().name().to_owned())]);
        attributes.record(&mut Reader(&mut fields));
        if let Some(span) = context.span(id) {
            if let Some(parent) = span.parent() {
                fields.insert("parent", parent.name().to_owned());
            }
            span.extensions_mut().insert(fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let fields = context
            .span(&id)
            .and_then(|span| span.extensions_mut().remove());
        ENDED.lock().unwrap().extend(fields);
    }
}

/// The spans of a session's exchange with this statement in it, without those before it.
fn spans(session: &str) -> Vec<Fields> {
    let of = |fields: &Fields| {
        fields
            .get("pgdraft.session")
            .is_some_and(|name| name == session)
    };
    let mut ended = ENDED.lock().unwrap();
    let (found, others) = ended.drain(..).partition(of);
    *ended = others;
    found
}

#[test]
fn an_exchange_and_its_phases() {
    let own = filter_fn(|metadata| metadata.target() == TRACES);
    let subscriber = tracing_subscriber::registry().with(Collector.with_filter(own));
    drop(subscriber.try_init());
    for (database, mode) in [
        ("traces", PoolMode::Session),
        ("traces_pooled", PoolMode::Transaction),
    ] {
        let settings = PoolSettings {
            mode,
            ..PoolSettings::default()
        };
        let server = Server::pooled(database, settings);
        let session = format!("-c pgdraft.session={database} -c pgdraft.operation=tidy");
        let parameters = [("user", "bob"), ("options", session.as_str())];
        let mut client = Frames::connect(server.address, &parameters);
        assert_eq!(
            client.query("UPDATE orders SET name = 'hidden' WHERE id = 4711"),
            "C=UPDATE 0 Z=I"
        );
        // the next statement's beginning is the end of all that belonged to the one before
        client.query("SELECT 1");
        let found = spans(database);
        let names = |name: &str| -> Vec<&Fields> {
            let named = |f: &&Fields| f.get("otel.name").unwrap_or(&f["name"]) == name;
            found.iter().filter(named).collect()
        };
        for phase in ["parse", "plan", "draft", "upstream"] {
            let [first, ..] = names(phase)[..] else {
                panic!("{mode:?}: no {phase}: {found:?}");
            };
            assert_eq!(first["parent"], "exchange", "{phase}");
            assert_eq!(first["pgdraft.operation"], "tidy", "{phase}");
        }
        let waits = names("wait").len();
        assert_eq!(waits > 0, mode == PoolMode::Transaction, "{found:?}");
        let written = names("statement")
            .into_iter()
            .find(|f| f["pgdraft.kind"] == "write");
        assert_eq!(
            written.unwrap()["db.query.text"],
            "UPDATE orders SET name = $1 WHERE id = $2"
        );
        assert_eq!(names("exchange")[0]["pgdraft.agent"], "bob");
        let all = format!("{found:?}");
        assert!(!all.contains("hidden") && !all.contains("4711"), "{all}");
    }
}
