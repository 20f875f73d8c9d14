//! What a message costs before anything is made of it.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pgdraft_phases::{Computed, computed};
use wire::frame::{self, HEADER_LEN};

/// Walks all messages of a buffer by their headers, as the relay does with rows.
fn walk(mut bytes: &[u8]) -> usize {
    let mut messages = 0;
    while let Some(header) = frame::header(bytes).expect("well formed") {
        bytes = &bytes[header.message_len()..];
        messages += 1;
    }
    messages
}

fn framing(criterion: &mut Criterion<Computed>) {
    let rows = b"D\0\0\0\x14\0\x01\0\0\0\x0a0123456789".repeat(1000);
    assert_eq!(walk(&rows), 1000);
    criterion.bench_function("frame 1000 rows", |b| b.iter(|| walk(black_box(&rows))));

    let mut batch = Vec::new();
    wire::encode::parse(
        &mut batch,
        b"",
        "SELECT name FROM users WHERE id = $1",
        &[23],
    );
    let parse = &batch[HEADER_LEN..].to_vec();
    criterion.bench_function("read a Parse", |b| {
        b.iter(|| frame::frontend::parse(black_box(parse)).expect("well formed"));
    });

    let mut out = Vec::with_capacity(256);
    criterion.bench_function("write Bind, Execute, Sync", |b| {
        b.iter(|| {
            out.clear();
            wire::encode::bind_text(&mut out, b"", b"s1", &[Some("17")]);
            wire::encode::execute(&mut out, b"", 0);
            wire::encode::sync(&mut out);
            black_box(out.len())
        });
    });
}

criterion_group! {
    name = benches;
    config = computed();
    targets = framing
}
criterion_main!(benches);
