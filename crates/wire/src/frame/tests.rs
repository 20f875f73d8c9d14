//! Hostile bodies: each reader takes exactly one form and panics on none.

use super::frontend::{QueryError, Target};
use super::*;
use crate::encode;

/// A small generator of our own, so that a failure can be repeated.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Bytes that look a little like messages: many zeros and small numbers.
    fn body(&mut self) -> Vec<u8> {
        let len = self.next() % 40;
        (0..len)
            .map(|_| match self.next() % 4 {
                0 => 0,
                1 => u8::try_from(self.next() % 4).unwrap(),
                2 => b"SP\xff\x7f"[usize::try_from(self.next() % 4).unwrap()],
                _ => self.next().to_le_bytes()[0],
            })
            .collect()
    }
}

fn body(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    let header = header(&out).unwrap().unwrap();
    assert_eq!(header.message_len(), out.len());
    out.split_off(HEADER_LEN)
}

fn malformed<T: std::fmt::Debug>(outcome: Result<T, Malformed>) {
    assert!(
        matches!(outcome, Err(Malformed::Body { .. })),
        "{outcome:?}"
    );
}

/// Every shorter and every longer body is refused.
fn exact(good: &[u8], read: impl Fn(&[u8]) -> bool) {
    assert!(read(good), "{good:?}");
    for len in 0..good.len() {
        assert!(!read(&good[..len]), "cut at {len}: {good:?}");
    }
    for more in [0, 1, b'S'] {
        let mut longer = good.to_vec();
        longer.push(more);
        assert!(!read(&longer), "{longer:?}");
    }
}

#[test]
fn header_takes_lengths_from_four_to_the_limit() {
    assert_eq!(header(b""), Ok(None));
    assert_eq!(header(b"Q\0\0\0"), Ok(None));
    let read = |length: u32| {
        let mut bytes = vec![b'Q'];
        bytes.extend_from_slice(&length.to_be_bytes());
        header(&bytes)
    };
    for bad in [0, 1, 3, 0x4000_0000, u32::MAX] {
        assert_eq!(read(bad), Err(Malformed::Length { length: bad }));
    }
    for (length, body_len) in [(4, 0), (5, 1), (0x3fff_ffff, 0x3fff_fffb)] {
        let expected = Header {
            tag: b'Q',
            body_len,
        };
        assert_eq!(read(length), Ok(Some(expected)));
    }
}

#[test]
fn every_malformed_is_a_fatal_protocol_violation_with_a_hint() {
    let all = [
        Malformed::Length { length: 3 },
        Malformed::Type(7),
        Malformed::Body { message: "Bind" },
        Malformed::TooLong {
            length: 9,
            limit: 8,
        },
    ];
    for malformed in all {
        let report = malformed.report();
        assert_eq!(report.code, "08P01");
        assert_eq!(report.severity, report::Severity::Fatal);
        assert!(report.hint.is_some());
    }
}

#[test]
fn query_is_text_and_one_nul_at_its_end() {
    exact(b"select 1\0", |body| frontend::query(body).is_ok());
    assert_eq!(frontend::query(b"\0"), Ok(""));
    for bad in [&b""[..], b"select 1", b"a\0b\0", b"a\0\0", b"\0\0"] {
        let outcome = frontend::query(bad);
        assert!(matches!(outcome, Err(QueryError::Malformed(_))), "{bad:?}");
    }
}

#[test]
fn text_that_is_not_utf8_fails_the_statement_only() {
    let error = frontend::query(b"caf\xe9 au lait\0").unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid byte sequence for encoding \"UTF8\": 0xe9"
    );
    let report = error.report();
    assert_eq!(report.code, "22021");
    assert_eq!(report.severity, report::Severity::Error);
    let cut = frontend::query(b"caf\xc3\0").unwrap_err();
    assert!(cut.to_string().ends_with("0xc3"));
    let parse = body(|out| encode::parse(out, b"s", "select 1", &[]));
    let mut bad = parse.clone();
    bad[3] = 0xff;
    assert!(matches!(
        frontend::parse(&bad),
        Err(QueryError::Encoding { .. })
    ));
    // Malformed first: what ends the connection outweighs what ends the statement.
    bad.push(0);
    assert!(matches!(
        frontend::parse(&bad),
        Err(QueryError::Malformed(_))
    ));
}

#[test]
fn parse_counts_its_types() {
    let good = body(|out| encode::parse(out, b"s1", "select $1, $2", &[23, 0]));
    exact(&good, |body| frontend::parse(body).is_ok());
    let parse = frontend::parse(&good).unwrap();
    assert_eq!(parse.name, b"s1");
    assert_eq!(parse.text, "select $1, $2");
    assert_eq!(parse.types, [23, 0]);
    for lying in [&b"\0select\0\x03\xe8"[..], b"\0select\0\xff\xff\0\0\0\x17"] {
        assert!(frontend::parse(lying).is_err());
    }
    // More types than a signed count holds: PostgreSQL reads it unsigned.
    let many = body(|out| encode::parse(out, b"", "x", &vec![25; 40_000]));
    assert_eq!(frontend::parse(&many).unwrap().types.len(), 40_000);
}

#[test]
fn bind_is_walked_to_its_end() {
    let mut rest = Vec::new();
    rest.extend_from_slice(&[0, 2, 0, 1, 0, 0]); // formats: binary, text
    rest.extend_from_slice(&[0, 2]);
    rest.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 7]);
    rest.extend_from_slice(&[0xff; 4]); // NULL
    rest.extend_from_slice(&[0, 1, 0, 1]);
    let good = body(|out| encode::bind(out, b"p", b"s", &rest));
    exact(&good, |body| frontend::bind(body).is_ok());
    let bind = frontend::bind(&good).unwrap();
    assert_eq!((bind.portal, bind.statement), (&b"p"[..], &b"s"[..]));
    assert_eq!(bind.rest, rest);
    assert_eq!((bind.parameters, bind.result_formats), (2, vec![1]));

    // A length that overlaps the result formats, one that is negative, one beyond all.
    for lying in [
        &b"\0\0\0\0\0\x01\0\0\0\x05ab\0\0"[..],
        b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0",
        b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0",
        b"\0\0\xff\xff",
        b"\0\0\0\0\xff\xff",
    ] {
        malformed(frontend::bind(lying));
    }
}

#[test]
fn bind_text_is_what_bind_reads() {
    let body = body(|out| encode::bind_text(out, b"", b"s", &[Some("a"), None, Some("")]));
    let bind = frontend::bind(&body).unwrap();
    assert_eq!(bind.parameters, 3);
    assert!(bind.result_formats.is_empty());
}

#[test]
fn describe_and_close_name_one_thing() {
    let statement = body(|out| encode::describe_statement(out, b"n"));
    let portal = body(|out| encode::describe_portal(out, b"n"));
    for (good, expected) in [
        (statement, Target::Statement(b"n")),
        (portal, Target::Portal(b"n")),
    ] {
        exact(&good, |body| frontend::describe(body).is_ok());
        assert_eq!(frontend::describe(&good), Ok(expected));
    }
    assert_eq!(
        frontend::close(&body(|out| encode::close_statement(out, b""))),
        Ok(Target::Statement(b""))
    );
    assert_eq!(
        frontend::close(&body(|out| encode::close_portal(out, b"c"))),
        Ok(Target::Portal(b"c"))
    );
    for bad in [&b""[..], b"S", b"X\0", b"Sa", b"s\0", b"Sa\0b\0"] {
        malformed(frontend::describe(bad));
        malformed(frontend::close(bad));
    }
}

#[test]
fn execute_is_a_name_and_a_number() {
    let good = body(|out| encode::execute(out, b"p", 50));
    exact(&good, |body| frontend::execute(body).is_ok());
    assert_eq!(frontend::execute(&good).unwrap().max_rows, 50);
    malformed(frontend::execute(b""));
}

#[test]
fn sync_flush_and_terminate_have_no_body() {
    for write in [encode::sync, encode::flush, encode::terminate] {
        assert_eq!(frontend::empty(&body(write)), Ok(()));
    }
    malformed(frontend::empty(b"\0"));
}

#[test]
fn tags_of_clients_are_known() {
    for tag in *b"QPBDECSHFdcfpX" {
        assert_eq!(frontend::check_tag(tag), Ok(()));
    }
    for tag in [0, 1, b'Z', b'T', b'q', 0xff] {
        assert_eq!(frontend::check_tag(tag), Err(Malformed::Type(tag)));
    }
}

#[test]
fn backend_bodies_are_read_exactly() {
    let field = backend::Field {
        name: b"id".to_vec(),
        table: 16_481,
        column: 1,
        type_id: 23,
        type_len: 4,
        type_modifier: -1,
        format: 0,
    };
    let fields = vec![field.clone(), field];
    let row = body(|out| encode::row_description(out, &fields));
    exact(&row, |body| backend::row_description(body).is_ok());
    assert_eq!(backend::row_description(&row), Ok(fields));

    let types = body(|out| encode::parameter_description(out, &[23, 25]));
    exact(&types, |body| backend::parameter_description(body).is_ok());
    assert_eq!(backend::parameter_description(&types), Ok(vec![23, 25]));

    let values = [Some("a".to_owned()), None, Some(String::new())];
    let data = body(|out| encode::data_row_text(out, &values));
    exact(&data, |body| backend::data_row(body).is_ok());
    assert_eq!(
        backend::data_row(&data),
        Ok(vec![Some(&b"a"[..]), None, Some(b"")])
    );

    let tag = body(|out| encode::command_complete(out, "INSERT 0 1"));
    exact(&tag, |body| backend::command_tag(body).is_ok());
    assert_eq!(backend::command_tag(&tag), Ok("INSERT 0 1"));
    malformed(backend::command_tag(b"\xff\0"));

    let errors = vec![(b'S', b"ERROR".to_vec()), (b'M', b"no \xe9".to_vec())];
    let error = body(|out| encode::error_fields(out, backend::ERROR_RESPONSE, &errors));
    exact(&error, |body| backend::error_fields(body).is_ok());
    assert_eq!(backend::error_fields(&error), Ok(errors));

    let status = body(|out| encode::parameter_status(out, "a", "b"));
    exact(&status, |body| backend::parameter_status(body).is_ok());

    assert_eq!(backend::ready_for_query(b"T"), Ok(b'T'));
    for bad in [&b""[..], b"X", b"II"] {
        malformed(backend::ready_for_query(bad));
    }
    let key = body(|out| encode::backend_key(out, -7, &[9; 32]));
    assert_eq!(backend::backend_key_data(&key), Ok((-7, &[9; 32][..])));
    malformed(backend::backend_key_data(&[0; 7]));
    malformed(backend::backend_key_data(&[0; 261]));
}

#[test]
fn nothing_panics_on_random_bytes() {
    let mut random = Lcg(2);
    for _ in 0..200_000 {
        let body = random.body();
        let _ = header(&body);
        let _ = frontend::query(&body);
        let _ = frontend::parse(&body);
        if let Ok(bind) = frontend::bind(&body) {
            let again = {
                let mut out = Vec::new();
                encode::bind(&mut out, bind.portal, bind.statement, bind.rest);
                out.split_off(HEADER_LEN)
            };
            assert_eq!(again, body);
        }
        let _ = frontend::describe(&body);
        let _ = frontend::execute(&body);
        let _ = backend::row_description(&body);
        let _ = backend::parameter_description(&body);
        let _ = backend::data_row(&body);
        if let Ok(fields) = backend::error_fields(&body) {
            let mut out = Vec::new();
            encode::error_fields(&mut out, b'E', &fields);
            assert_eq!(out.split_off(HEADER_LEN), body);
        }
        let _ = backend::command_tag(&body);
        let _ = backend::parameter_status(&body);
        let _ = backend::backend_key_data(&body);
    }
}
