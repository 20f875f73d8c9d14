//! Bytes as PostgreSQL's documentation gives them.

use report::Report;

use super::*;
use crate::frame::backend as tag;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    write(&mut out);
    out.split_off(6)
}

#[test]
fn small_messages_byte_for_byte() {
    assert_eq!(written(|out| query(out, "x")), b"Q\0\0\0\x06x\0");
    assert_eq!(written(sync), b"S\0\0\0\x04");
    assert_eq!(written(flush), b"H\0\0\0\x04");
    assert_eq!(written(terminate), b"X\0\0\0\x04");
    assert_eq!(
        written(|out| execute(out, b"", 0)),
        b"E\0\0\0\x09\0\0\0\0\0"
    );
    assert_eq!(written(|out| ready(out, b'I')), b"Z\0\0\0\x05I");
    assert_eq!(written(parse_complete), b"1\0\0\0\x04");
    assert_eq!(written(bind_complete), b"2\0\0\0\x04");
    assert_eq!(written(close_complete), b"3\0\0\0\x04");
    assert_eq!(written(no_data), b"n\0\0\0\x04");
    assert_eq!(written(empty_query), b"I\0\0\0\x04");
    assert_eq!(written(ssl_request), [0, 0, 0, 8, 4, 210, 22, 47]);
    assert_eq!(
        written(|out| cancel_request(out, 1, &[2; 4])),
        [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 2, 2, 2, 2]
    );
    assert_eq!(
        written(|out| startup(out, 0, [("user", "a"), ("", "never")])),
        b"\0\0\0\x10\0\x03\0\0user\0a\0\0"
    );
    assert_eq!(
        written(|out| negotiate_protocol_version(out, 2, &["_pq_.x".to_owned()])),
        b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0"
    );
}

#[test]
fn reports_become_error_fields() {
    let mut report = Report::fatal("28P01", "no\0 entry").detail("D.").hint("H.");
    report.position = Some(15);
    report.schema = Some("app".to_owned());
    report.table = Some("t".to_owned());
    let expected = [
        (b'S', "FATAL"),
        (b'V', "FATAL"),
        (b'C', "28P01"),
        (b'M', "no entry"),
        (b'D', "D."),
        (b'H', "H."),
        (b'P', "15"),
        (b's', "app"),
        (b't', "t"),
    ];
    let expected: Vec<(u8, Vec<u8>)> = expected
        .into_iter()
        .map(|(code, text)| (code, text.as_bytes().to_vec()))
        .collect();
    let bytes = written(|out| error(out, &report));
    assert_eq!(bytes.first(), Some(&tag::ERROR_RESPONSE));
    assert_eq!(tag::error_fields(&bytes[5..]).unwrap(), expected);
    let bytes = written(|out| notice(out, &Report::error("01000", "hm")));
    assert_eq!(bytes.first(), Some(&tag::NOTICE_RESPONSE));
    assert_eq!(
        tag::error_fields(&bytes[5..]).unwrap()[0],
        (b'S', b"NOTICE".to_vec())
    );
}

#[test]
fn no_value_cuts_a_message_short() {
    let bytes = written(|out| parameter_status(out, "a\0b", "\0"));
    assert_eq!(bytes, b"S\0\0\0\x08ab\0\0");
    let bytes = written(|out| error_fields(out, b'E', &[(0, vec![1]), (b'M', b"x\0y".to_vec())]));
    assert_eq!(bytes, b"E\0\0\0\x09Mxy\0\0");
}
