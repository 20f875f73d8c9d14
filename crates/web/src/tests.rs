use super::*;
use prometheus::IntCounter;

fn endpoint(ready: bool) -> Endpoint {
    let registry = Registry::new();
    let counter = IntCounter::new("pgdraft_test_total", "A test counter.").unwrap();
    registry.register(Box::new(counter.clone())).unwrap();
    counter.inc();
    Endpoint {
        registry,
        readiness: Arc::new(move || {
            if ready {
                Ok(())
            } else {
                Err("upstream is down".into())
            }
        }),
    }
}

async fn ask(request: &[u8], ready: bool) -> String {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn(async move { exchange(server, &endpoint(ready)).await });
    client.write_all(request).await.unwrap();
    client.shutdown().await.unwrap();
    let mut out = Vec::new();
    client.read_to_end(&mut out).await.unwrap();
    served.await.unwrap().unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let answer = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", true).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("version=0.0.4"), "{answer}");
    assert!(answer.ends_with("pgdraft_test_total 1\n"), "{answer}");
}

#[tokio::test]
async fn readiness_says_why_not() {
    let up = ask(b"GET /readyz?x=1 HTTP/1.1\r\n\r\n", true).await;
    assert!(up.starts_with("HTTP/1.1 200 "), "{up}");
    let down = ask(b"GET /readyz HTTP/1.0\n\n", false).await;
    assert!(down.starts_with("HTTP/1.1 503 "), "{down}");
    assert!(down.ends_with("upstream is down\n"), "{down}");
    let health = ask(b"HEAD /healthz HTTP/1.1\r\n\r\n", false).await;
    assert!(health.contains("Content-Length: 3\r\n"), "{health}");
    assert!(health.ends_with("\r\n\r\n"), "{health}");
}

#[tokio::test]
async fn strange_requests_get_an_answer_or_are_closed() {
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", "505"),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", "400"),
        (b"\xff\xfe\n\n", "400"),
        (b"\r\n\r\n", "400"),
        (b"GET metrics HTTP/1.1\r\n\r\n", "400"),
        (b"get /metrics HTTP/1.1\r\n\r\n", "400"),
    ] {
        let answer = ask(request, true).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?} gave {answer}"
        );
    }
    assert_eq!(ask(b"GET /metr", true).await, "");
    let long = vec![b'a'; REQUEST_BYTES_MAX + 10];
    assert!(ask(&long, true).await.starts_with("HTTP/1.1 431 "));
}
