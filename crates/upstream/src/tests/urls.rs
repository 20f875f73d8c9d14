//! Connection URLs, good and bad.

use crate::{SslMode, Target, UpstreamError};

fn parts(url: &str) -> (String, u16, String, String) {
    let target = Target::parse(url).unwrap();
    (
        target.host().to_owned(),
        target.port(),
        target.user().to_owned(),
        target.database().to_owned(),
    )
}

#[test]
fn urls_in_every_form() {
    let cases = [
        ("postgres://u@h/d", ("h", 5432, "u", "d")),
        ("postgresql://u:p@h:6000/d", ("h", 6000, "u", "d")),
        ("postgres://u@h", ("h", 5432, "u", "u")),
        ("postgres://u@/d", ("localhost", 5432, "u", "d")),
        ("postgres:///d?user=u", ("localhost", 5432, "u", "d")),
        ("postgres://u@[::1]:7/d", ("::1", 7, "u", "d")),
        ("postgres://u@[::1]", ("::1", 5432, "u", "u")),
        (
            "postgres://a%2Bs:p@w%40rd@h/d%2Fe",
            ("h", 5432, "a+s", "d/e"),
        ),
        (
            "postgres://u:a:b@h/d?port=8&dbname=e&host=i",
            ("i", 8, "u", "e"),
        ),
        ("postgres://u@%2Frun%2Fpg/d", ("/run/pg", 5432, "u", "d")),
        (
            "postgres://u@/d?host=/run/pg&port=9",
            ("/run/pg", 9, "u", "d"),
        ),
        ("postgres://%C3%A4@h/", ("h", 5432, "ä", "ä")),
    ];
    for (url, (host, port, user, database)) in cases {
        let expected = (host.to_owned(), port, user.to_owned(), database.to_owned());
        assert_eq!(parts(url), expected, "{url}");
    }
}

#[test]
fn addresses_for_messages() {
    let address = |url: &str| Target::parse(url).unwrap().address();
    assert_eq!(address("postgres://u@h:1/d"), "h:1");
    assert_eq!(address("postgres://u@[::1]:1/d"), "[::1]:1");
    assert_eq!(address("postgres://u@/d?host=/s&port=1"), "/s/.s.PGSQL.1");
}

#[test]
fn every_sslmode() {
    for word in [
        "disable",
        "allow",
        "prefer",
        "require",
        "verify-ca",
        "verify-full",
    ] {
        let target = Target::parse(&format!("postgres://u@h/d?sslmode={word}")).unwrap();
        assert_eq!(target.ssl_mode().as_str(), word);
    }
    let target = Target::parse("postgres://u@h/d").unwrap();
    assert_eq!(target.ssl_mode(), SslMode::Prefer);
}

#[test]
fn bad_urls_say_what_is_wrong_and_no_secret() {
    let cases = [
        ("mysql://u:secret@h/d", "does not begin with"),
        ("host=h password=secret", "does not begin with"),
        ("postgres://:secret@h/d", "no user"),
        ("postgres://h/d", "no user"),
        ("postgres://u:secret@h1,h2/d", "several hosts"),
        ("postgres://u:secret@h/d?host=a,b", "several hosts"),
        ("postgres://u:secret@h:0/d", "port"),
        ("postgres://u:secret@h:x/d", "port"),
        ("postgres://u:secret@h:70000/d", "port"),
        ("postgres://u:secret@::1/d", "\"[\""),
        ("postgres://u:secret@[::1/d", "not closed"),
        ("postgres://u:secret@[::1]x/d", "other than a port"),
        ("postgres://u:secret%2@h/d", "hexadecimal"),
        ("postgres://u:secret%zz@h/d", "hexadecimal"),
        ("postgres://u:secret%00@h/d", "%00"),
        ("postgres://u:secret%ff@h/d", "UTF-8"),
        ("postgres://u:secret@h/d?sslmode=on", "sslmode"),
        ("postgres://u:secret@h/d?sslmode", "no value"),
        ("postgres://u:secret@h/d?sslcert=x", "\"sslcert\""),
        (
            "postgres://u:secret@h/d?connect_timeout=-1",
            "connect_timeout",
        ),
        (
            "postgres://u:secret@h/d?channel_binding=always",
            "channel_binding",
        ),
    ];
    for (url, part) in cases {
        let error = Target::parse(url).unwrap_err();
        assert!(matches!(error, UpstreamError::Url(_)));
        let report = error.report();
        assert!(report.message.contains(part), "{url}: {report}");
        assert!(
            !format!("{error} {error:?} {report:?}").contains("secret"),
            "{url}"
        );
        assert!(report.hint.is_some());
    }
}

#[test]
fn passwords_are_not_shown() {
    let target = Target::parse("postgres://u:secret@h:1/d?sslmode=require").unwrap();
    assert_eq!(target.to_string(), "u@h:1/d (sslmode=require)");
    let agent = target.with_user("agent", "hidden");
    assert_eq!(agent.user(), "agent");
    assert_eq!(agent.database(), "d");
    let shown = format!("{target} {target:?} {agent} {agent:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("hidden"),
        "{shown}"
    );
}
