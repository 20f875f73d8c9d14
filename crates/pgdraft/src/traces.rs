//! Traces of statements to an OpenTelemetry collector: OTLP over HTTP, in builds with the feature `otel`.
//!
//! The spans are the data plane's ([`session::TRACES`]). They are sent in batches by a thread of the
//! exporter; where the collector does not take them they are lost, and no statement waits.

use std::sync::OnceLock;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// What is left to be sent at the end.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Sends what is still there; nothing is sent afterwards.
pub(crate) fn flush() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown()
    {
        tracing::warn!(%error, "the last traces were not sent");
    }
}

/// What sends spans to the collector at this URL; `None` for an empty one.
pub(crate) fn layer<S>(endpoint: &str) -> Result<Option<impl Layer<S> + use<S>>, ExporterBuildError>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    if endpoint.is_empty() {
        return Ok(None);
    }
    let provider = provider(endpoint)?;
    let layer = sending(&provider);
    drop(PROVIDER.set(provider));
    Ok(Some(layer))
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .build()?;
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are known to the builder
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = Resource::builder();
    let resource = if named {
        resource
    } else {
        resource.with_service_name("pgdraft")
    };
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build())
}

fn sending<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("pgdraft"))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter_fn(|span| span.target() == session::TRACES))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Takes one request and gives its first line and its body.
    fn collect(listener: &TcpListener) -> (String, Vec<u8>) {
        let (mut socket, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = socket.read(&mut chunk).unwrap();
            all.extend_from_slice(&chunk[..read]);
            let Some(end) = all.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(all[..end].to_vec()).unwrap();
            let length = |line: &str| {
                let (name, value) = line.split_once(':')?;
                let is = name.eq_ignore_ascii_case("content-length");
                is.then(|| value.trim().parse().unwrap())
            };
            let length: usize = head.lines().find_map(length).unwrap();
            if all.len() >= end + 4 + length {
                socket
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .unwrap();
                let first = head.lines().next().unwrap().to_owned();
                return (first, all.split_off(end + 4));
            }
        }
    }

    #[test]
    fn spans_reach_a_collector() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let collector = std::thread::spawn(move || collect(&listener));
        let provider = provider(&format!("http://{address}/")).unwrap();
        let subscriber = tracing_subscriber::registry().with(sending(&provider));
        tracing::subscriber::with_default(subscriber, || {
            let exchange = tracing::info_span!(
                target: session::TRACES,
                parent: None,
                "exchange",
                pgdraft.session = "tidy-up"
            );
            let phase = tracing::info_span!(
                target: session::TRACES,
                parent: &exchange,
                "phase",
                otel.name = "upstream"
            );
            drop(phase);
            drop(tracing::info_span!("not_a_trace"));
        });
        provider.shutdown().unwrap();
        let (first, body) = collector.join().unwrap();
        assert_eq!(first, "POST /v1/traces HTTP/1.1");
        let body = String::from_utf8_lossy(&body);
        for part in ["pgdraft.session", "tidy-up", "exchange", "upstream"] {
            assert!(body.contains(part), "{part}: {body}");
        }
        assert!(!body.contains("not_a_trace"), "{body}");
    }
}
