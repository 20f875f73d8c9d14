//! The queue against a model of the server: random requests, answered as PostgreSQL answers, cut
//! at every point.

use report::Report;
use tokio::sync::oneshot;

use super::*;

fn no_names() -> Arc<Catalog> {
    Arc::new(Catalog::default())
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn message(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    wire::encode::raw(out, tag, body);
}

fn error(out: &mut Vec<u8>, code: &str) {
    let fields: Vec<(u8, Vec<u8>)> = [(b'S', "ERROR"), (b'V', "ERROR"), (b'C', code), (b'M', "no")]
        .map(|(code, text)| (code, text.as_bytes().to_vec()))
        .to_vec();
    wire::encode::error_fields(out, b'E', &fields);
}

/// Feeds upstream's bytes in two chunks; what the client gets.
fn feed(replies: &mut Replies, bytes: &[u8], cut: usize) -> (Vec<u8>, Vec<Event>) {
    let mut told = Vec::new();
    let mut events = Vec::new();
    for chunk in [&bytes[..cut], &bytes[cut..]] {
        let mut out = Vec::new();
        match replies
            .receive(chunk, &mut out, &mut events, &no_names)
            .unwrap()
        {
            Forward::Chunk => told.extend_from_slice(chunk),
            Forward::Output => told.extend_from_slice(&out),
        }
    }
    (told, events)
}

fn tags(mut bytes: &[u8]) -> String {
    let mut tags = String::new();
    while let Ok(Some(header)) = wire::frame::header(bytes) {
        tags.push(char::from(header.tag));
        bytes = &bytes[header.message_len()..];
    }
    assert!(bytes.is_empty(), "only whole messages are told");
    tags
}

fn fix(change: impl FnOnce(&mut Fix)) -> Option<Box<Fix>> {
    let mut fix = Fix::default();
    change(&mut fix);
    Some(Box::new(fix))
}

#[test]
fn what_needs_nothing_goes_through_untouched() {
    let mut replies = Replies::default();
    replies.push(Want::Query, None).unwrap();
    let mut bytes = Vec::new();
    message(&mut bytes, b'T', &[0, 0]);
    message(&mut bytes, b'D', &[0, 0]);
    wire::encode::command_complete(&mut bytes, "SELECT 1");
    wire::encode::ready(&mut bytes, b'I');
    let mut out = Vec::new();
    let taken = replies.receive(&bytes, &mut out, &mut Vec::new(), &no_names);
    assert_eq!(taken, Ok(Forward::Chunk));
    assert!(out.is_empty() && replies.idle());
}

#[test]
fn a_rewritten_write_looks_like_the_clients() {
    let build = || {
        let mut replies = Replies::default();
        let swallow = || fix(|fix| fix.swallow = true);
        replies.push(Want::Parse, swallow()).unwrap();
        replies
            .push(Want::Describe, fix(|fix| fix.rows = Rows::Keep))
            .unwrap();
        for want in [Want::Bind, Want::Execute, Want::Close, Want::Parse] {
            replies.push(want, swallow()).unwrap();
        }
        let bind = fix(|fix| {
            fix.swallow = true;
            fix.tell_rows = true;
        });
        replies.push(Want::Bind, bind).unwrap();
        replies
            .push(Want::Execute, fix(|fix| fix.verb = Some(sql::Verb::Update)))
            .unwrap();
        replies
            .push(
                Want::Local,
                fix(|fix| wire::encode::command_complete(&mut fix.local, "SET")),
            )
            .unwrap();
        replies.push(Want::Sync, None).unwrap();
        replies
    };
    let mut bytes = Vec::new();
    message(&mut bytes, b'1', &[]);
    wire::encode::parameter_description(&mut bytes, &[]);
    message(&mut bytes, b'T', &[0, 0]);
    message(&mut bytes, b'2', &[]);
    message(&mut bytes, b'D', &[0, 1, 0, 0, 0, 1, b'7']);
    wire::encode::command_complete(&mut bytes, "SELECT 1");
    message(&mut bytes, b'3', &[]);
    message(&mut bytes, b'1', &[]);
    message(&mut bytes, b'2', &[]);
    message(&mut bytes, b'D', &[0, 0]);
    message(&mut bytes, b'A', b"\0\0\0\0c\0x\0");
    wire::encode::command_complete(&mut bytes, "INSERT 0 1");
    wire::encode::ready(&mut bytes, b'I');
    let mut expected = Vec::new();
    message(&mut expected, b'T', &[0, 0]);
    message(&mut expected, b'D', &[0, 0]);
    message(&mut expected, b'A', b"\0\0\0\0c\0x\0");
    wire::encode::command_complete(&mut expected, "UPDATE 1");
    wire::encode::command_complete(&mut expected, "SET");
    wire::encode::ready(&mut expected, b'I');
    for cut in 0..=bytes.len() {
        let mut replies = build();
        let (told, _) = feed(&mut replies, &bytes, cut);
        assert_eq!(told, expected, "cut at {cut}");
        assert!(replies.idle());
    }
}

#[test]
fn an_error_drops_everything_up_to_the_sync() {
    let mut replies = Replies::default();
    let poison = fix(|fix| {
        fix.poison = Some(Box::new(Report::error("0A000", "refused")));
        fix.undo = vec![Undo::Own("first")];
    });
    replies.push(Want::Parse, poison).unwrap();
    replies.push(Want::Query, None).unwrap();
    replies
        .push(Want::Local, fix(|fix| fix.undo = vec![Undo::Own("second")]))
        .unwrap();
    replies.push(Want::Sync, None).unwrap();
    replies.push(Want::Query, None).unwrap();
    let mut bytes = Vec::new();
    error(&mut bytes, "42601");
    wire::encode::ready(&mut bytes, b'I');
    wire::encode::ready(&mut bytes, b'I');
    let (told, events) = feed(&mut replies, &bytes, 3);
    assert_eq!(tags(&told), "EZZ");
    let text = String::from_utf8_lossy(&told);
    assert!(text.contains("C0A000") && !text.contains("42601"), "{text}");
    let Some(Event::Failed {
        code,
        refused,
        undo,
    }) = events.first()
    else {
        panic!("{events:?}");
    };
    assert_eq!((code.as_str(), *refused), ("0A000", true));
    assert!(
        matches!(undo.as_slice(), [Undo::Own("second"), Undo::Own("first")]),
        "newest first"
    );
    assert!(replies.idle());
}

#[test]
fn without_a_sync_requests_are_thrown_away_until_there_is_one() {
    let mut replies = Replies::default();
    replies.push(Want::Bind, None).unwrap();
    let mut bytes = Vec::new();
    error(&mut bytes, "26000");
    feed(&mut replies, &bytes, 0);
    assert!(replies.skipping());
    assert!(replies.push(Want::Query, None).is_err());
    assert!(replies.push(Want::Execute, None).is_err());
    replies.push(Want::Sync, None).unwrap();
    assert!(!replies.skipping());
    replies.push(Want::Query, None).unwrap();
    bytes.clear();
    wire::encode::ready(&mut bytes, b'I');
    assert_eq!(tags(&feed(&mut replies, &bytes, 0).0), "Z");
    assert!(!replies.idle());
}

#[test]
fn private_groups_are_never_told() {
    let mut replies = Replies::default();
    let private = || {
        fix(|fix| {
            fix.swallow = true;
            fix.private = true;
        })
    };
    replies.push(Want::Bind, private()).unwrap();
    replies.push(Want::Sync, private()).unwrap();
    let mut bytes = Vec::new();
    error(&mut bytes, "57014");
    wire::encode::ready(&mut bytes, b'I');
    for cut in 0..bytes.len() {
        let mut replies = Replies::default();
        replies.push(Want::Bind, private()).unwrap();
        replies.push(Want::Sync, private()).unwrap();
        assert!(feed(&mut replies, &bytes, cut).0.is_empty());
        assert!(replies.idle());
    }
    // the end of the connection is
    let fields = [
        (b'S', "FATAL"),
        (b'V', "FATAL"),
        (b'C', "57P01"),
        (b'M', "bye"),
    ];
    let fields = fields.map(|(code, text)| (code, text.as_bytes().to_vec()));
    let mut bytes = Vec::new();
    wire::encode::error_fields(&mut bytes, b'E', &fields);
    let (told, events) = feed(&mut replies, &bytes, 4);
    assert_eq!(told, bytes);
    assert!(matches!(events.first(), Some(Event::Fatal)));
}

#[test]
fn the_error_of_a_private_statement_is_told_for_the_failed_transaction() {
    let ask = |replies: &mut Replies| {
        let private = || {
            fix(|fix| {
                fix.swallow = true;
                fix.private = true;
            })
        };
        replies.push(Want::Execute, private()).unwrap();
        replies.push(Want::Sync, private()).unwrap();
    };
    // outside a transaction it is for whoever asked
    let mut replies = Replies::default();
    ask(&mut replies);
    let mut bytes = Vec::new();
    error(&mut bytes, "57014");
    wire::encode::ready(&mut bytes, b'I');
    assert!(feed(&mut replies, &bytes, 3).0.is_empty());
    assert_eq!(replies.unsaid(false).unwrap().code, "57014");
    assert!(replies.unsaid(false).is_none());

    // in one the client is told it once, in the place of its consequence
    ask(&mut replies);
    let mut bytes = Vec::new();
    error(&mut bytes, "57014");
    wire::encode::ready(&mut bytes, b'E');
    assert!(feed(&mut replies, &bytes, 3).0.is_empty());
    assert_eq!(replies.unsaid(true).unwrap().code, "57014");
    for code in ["57014", "25P02"] {
        replies.push(Want::Query, None).unwrap();
        let mut bytes = Vec::new();
        error(&mut bytes, "25P02");
        wire::encode::ready(&mut bytes, b'E');
        let (told, _) = feed(&mut replies, &bytes, 3);
        let mut expected = Vec::new();
        error(&mut expected, code);
        wire::encode::ready(&mut expected, b'E');
        assert_eq!(told, expected);
    }
}

#[test]
fn syncs_before_copy_done_are_never_answered() {
    for early in 0..3 {
        let mut replies = Replies::default();
        replies.push(Want::Execute, None).unwrap();
        for _ in 0..early {
            replies.push(Want::Sync, None).unwrap();
        }
        let mut bytes = Vec::new();
        message(&mut bytes, b'G', &[0, 0, 0]);
        feed(&mut replies, &bytes, 2);
        // and one more inside
        replies.push(Want::Sync, None).unwrap();
        replies.push(Want::CopyEnd, None).unwrap();
        replies.push(Want::Sync, None).unwrap();
        bytes.clear();
        wire::encode::command_complete(&mut bytes, "COPY 2");
        wire::encode::ready(&mut bytes, b'I');
        assert_eq!(tags(&feed(&mut replies, &bytes, 0).0), "CZ");
        assert!(replies.idle());
    }
}

#[test]
fn captured_replies_arrive_or_the_waiting_side_is_released() {
    for fails in [false, true] {
        let mut replies = Replies::default();
        let (to, mut from) = oneshot::channel();
        let capture = fix(|fix| {
            fix.capture = Some(Capture {
                to,
                got: Vec::new(),
            });
        });
        replies.push(Want::Parse, None).unwrap();
        replies.push(Want::Describe, capture).unwrap();
        let mut bytes = Vec::new();
        if fails {
            error(&mut bytes, "42P01");
        } else {
            message(&mut bytes, b'1', &[]);
            wire::encode::parameter_description(&mut bytes, &[23]);
            message(&mut bytes, b'n', &[]);
        }
        let (told, _) = feed(&mut replies, &bytes, 1);
        assert_eq!(tags(&told), if fails { "E" } else { "1" });
        match from.try_recv() {
            Ok(got) => assert_eq!(got.iter().map(|m| m.tag).collect::<Vec<_>>(), b"tn"),
            Err(error) => assert!(fails, "{error}"),
        }
    }
}

#[test]
fn what_nobody_asked_for_ends_the_connection() {
    for (want, tag) in [
        (None, b'1'),
        (Some(Want::Sync), b'C'),
        (Some(Want::Bind), b'D'),
        (None, b'?'),
    ] {
        let mut replies = Replies::default();
        if let Some(want) = want {
            replies.push(want, None).unwrap();
        }
        let mut bytes = Vec::new();
        message(&mut bytes, tag, &[0; 6]);
        let taken = replies.receive(&bytes, &mut Vec::new(), &mut Vec::new(), &no_names);
        assert!(taken.is_err());
    }
}

/// One request with its good reply and what the client is told of it.
fn request(
    random: &mut Random,
    replies: &mut Replies,
    upstream: &mut Vec<u8>,
    client: &mut Vec<u8>,
) -> bool {
    let ours = random.below(2) == 0;
    let swallow = || {
        ours.then(|| {
            Box::new(Fix {
                swallow: true,
                ..Fix::default()
            })
        })
    };
    let kind = random.below(7);
    if kind != 5 && random.below(8) == 0 {
        for out in [&mut *upstream, &mut *client] {
            message(out, b'A', b"\0\0\0\x01channel\0payload\0");
        }
    }
    let start = upstream.len();
    match kind {
        0 => {
            replies.push(Want::Parse, swallow()).unwrap();
            message(upstream, b'1', &[]);
        }
        1 => {
            replies.push(Want::Bind, swallow()).unwrap();
            message(upstream, b'2', &[]);
        }
        2 => {
            replies.push(Want::Describe, swallow()).unwrap();
            message(upstream, b't', &[0, 0]);
            message(
                upstream,
                if random.below(2) == 0 { b'T' } else { b'n' },
                &[0, 0],
            );
        }
        3 => {
            replies.push(Want::Close, swallow()).unwrap();
            message(upstream, b'3', &[]);
        }
        4 => {
            replies.push(Want::Execute, swallow()).unwrap();
            for _ in 0..random.below(4) {
                let len = usize::try_from(random.below(40)).unwrap();
                message(upstream, b'D', &vec![7; len]);
            }
            match random.below(3) {
                0 => message(upstream, b's', &[]),
                1 => message(upstream, b'I', &[]),
                _ => wire::encode::command_complete(upstream, "SELECT 2"),
            }
        }
        5 => {
            let mut local = Vec::new();
            wire::encode::command_complete(&mut local, "SET");
            client.extend_from_slice(&local);
            replies
                .push(Want::Local, fix(|fix| fix.local = local))
                .unwrap();
            return false;
        }
        _ => {
            // fails: the error is told, the rest of the group is not
            replies.push(Want::Bind, swallow()).unwrap();
            error(upstream, "22012");
            client.extend_from_slice(&upstream[start..]);
            return true;
        }
    }
    if !ours {
        client.extend_from_slice(&upstream[start..]);
    }
    false
}

#[test]
fn random_groups_cut_anywhere() {
    for seed in 1..400 {
        let mut lens = None;
        let mut cut = 0;
        loop {
            let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
            let mut replies = Replies::default();
            let (mut upstream, mut client) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                if random.below(3) == 0 {
                    replies.push(Want::Query, None).unwrap();
                    let start = upstream.len();
                    message(&mut upstream, b'T', &[0, 0]);
                    message(&mut upstream, b'D', &[0, 0]);
                    wire::encode::command_complete(&mut upstream, "SELECT 1");
                    client.extend_from_slice(&upstream[start..]);
                } else {
                    let mut failed = false;
                    for _ in 0..random.below(8) {
                        if failed {
                            // skipped by the server
                            replies.push(Want::Execute, None).unwrap();
                        } else {
                            failed = request(&mut random, &mut replies, &mut upstream, &mut client);
                        }
                    }
                    replies.push(Want::Sync, None).unwrap();
                }
                wire::encode::ready(&mut upstream, b'I');
                wire::encode::ready(&mut client, b'I');
            }
            let (told, _) = feed(&mut replies, &upstream, cut);
            assert_eq!(told, client, "seed {seed}, cut at {cut}");
            assert!(replies.idle(), "seed {seed}, cut at {cut}");
            assert_eq!(replies.done(), replies.group());
            cut += 1;
            if cut > *lens.get_or_insert(upstream.len()) {
                break;
            }
        }
    }
}
