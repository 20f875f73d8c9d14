//! Any bytes as a stream of messages, from a client and from a server: every message is read or
//! refused, and reading never goes past its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::{HEADER_LEN, backend, frontend, header};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(head)) = header(rest) {
        assert_eq!(head.message_len(), head.body_len + HEADER_LEN);
        let body = rest.get(HEADER_LEN..head.message_len()).unwrap_or(&rest[HEADER_LEN..]);
        from_client(head.tag, body);
        from_server(head.tag, body);
        let Some(next) = rest.get(head.message_len()..) else {
            return;
        };
        rest = next;
    }
});

fn from_client(tag: u8, body: &[u8]) {
    if frontend::check_tag(tag).is_err() {
        return;
    }
    match tag {
        frontend::QUERY => {
            if let Ok(text) = frontend::query(body) {
                assert_eq!(text.len() + 1, body.len());
            }
        }
        frontend::PARSE => {
            if let Ok(parse) = frontend::parse(body) {
                assert_eq!(parse.name.len() + parse.text.len() + 2 + 2 + 4 * parse.types.len(), body.len());
            }
        }
        frontend::BIND => {
            let _ = frontend::bind(body);
        }
        frontend::DESCRIBE => {
            let _ = frontend::describe(body);
        }
        frontend::CLOSE => {
            let _ = frontend::close(body);
        }
        frontend::EXECUTE => {
            if let Ok(execute) = frontend::execute(body) {
                assert_eq!(execute.portal.len() + 5, body.len());
            }
        }
        _ => {
            assert_eq!(frontend::empty(body).is_ok(), body.is_empty());
        }
    }
}

fn from_server(tag: u8, body: &[u8]) {
    match tag {
        backend::ROW_DESCRIPTION => {
            let _ = backend::row_description(body);
        }
        backend::PARAMETER_DESCRIPTION => {
            let _ = backend::parameter_description(body);
        }
        backend::DATA_ROW => {
            let _ = backend::data_row(body);
        }
        backend::ERROR_RESPONSE | backend::NOTICE_RESPONSE => {
            let _ = backend::error_fields(body);
        }
        backend::COMMAND_COMPLETE => {
            let _ = backend::command_tag(body);
        }
        backend::PARAMETER_STATUS => {
            let _ = backend::parameter_status(body);
        }
        backend::BACKEND_KEY_DATA => {
            let _ = backend::backend_key_data(body);
        }
        backend::READY_FOR_QUERY => {
            let _ = backend::ready_for_query(body);
        }
        _ => {}
    }
}
