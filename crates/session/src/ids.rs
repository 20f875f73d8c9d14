//! What a client says of itself at startup: session and operation id, database, settings.
//!
//! Precedence of the ids: `options` (works from every driver), then startup parameters
//! `pgdraft.*`, then the user name's suffix. Ours are taken out; the rest goes upstream.

use std::time::{SystemTime, UNIX_EPOCH};

use report::{Report, code};

/// Most characters of a session or operation id.
pub(crate) const ID_CHARACTERS_MAX: usize = 200;

/// The virtual database of the admin console.
pub(crate) const CONSOLE_DATABASE: &str = "pgdraft";

/// What a startup asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Session named by the client.
    pub(crate) session: Option<String>,
    /// Operation named by the client.
    pub(crate) operation: Option<String>,
    /// Database named by the client.
    pub(crate) database: Option<String>,
    /// Startup parameters for upstream.
    pub(crate) parameters: Vec<(String, String)>,
}

/// Sorts what a client sent at startup.
///
/// # Errors
/// A bad id, an unknown `pgdraft.*` name, or a setting under which statements could be misread.
pub(crate) fn wishes(
    parameters: &[(String, String)],
    options: &[(String, String)],
    user_session: Option<&str>,
) -> Result<Wishes, Report> {
    let mut wishes = Wishes {
        session: None,
        operation: None,
        database: None,
        parameters: Vec::new(),
    };
    let mut kept = Vec::new();
    for (name, value) in options {
        if !wishes.own(name, value, true)? {
            check(name, value)?;
            if let Some(setting) = row_security(name, value) {
                wishes.parameters.push(setting);
                continue;
            }
            kept.push(format!("-c {}={}", escape(name), escape(value)));
        }
    }
    let from_options = (wishes.session.clone(), wishes.operation.clone());
    for (name, value) in parameters {
        if name == "database" {
            wishes.database = Some(value.clone());
        } else if !wishes.own(name, value, false)? {
            check(name, value)?;
            let setting = row_security(name, value);
            wishes
                .parameters
                .push(setting.unwrap_or_else(|| (name.clone(), value.clone())));
        }
    }
    wishes.session = from_options.0.or(wishes.session);
    wishes.operation = from_options.1.or(wishes.operation);
    if wishes.session.is_none()
        && let Some(session) = user_session
    {
        wishes.session = Some(id("session", session)?);
    }
    if !kept.is_empty() {
        wishes
            .parameters
            .push(("options".to_owned(), kept.join(" ")));
    }
    // texts and our own messages are UTF-8
    if !wishes
        .parameters
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("client_encoding"))
    {
        let encoding = ("client_encoding".to_owned(), "UTF8".to_owned());
        wishes.parameters.push(encoding);
    }
    Ok(wishes)
}

impl Wishes {
    /// Takes a setting of our own; false if it is none.
    fn own(&mut self, name: &str, value: &str, last_wins: bool) -> Result<bool, Report> {
        let lower = name.to_ascii_lowercase();
        let Some(own) = lower.strip_prefix("pgdraft.") else {
            return Ok(false);
        };
        let slot = match own {
            "session" => &mut self.session,
            "operation" => &mut self.operation,
            _ => {
                return Err(Report::fatal(
                    "42704",
                    format!("unrecognized configuration parameter \"{lower}\""),
                )
                .hint("Only pgdraft.session and pgdraft.operation can be given at startup."));
            }
        };
        let value = id(own, value)?;
        if slot.is_none() || last_wins {
            *slot = Some(value);
        }
        Ok(true)
    }
}

/// Demands 1 to 200 characters.
///
/// # Errors
/// FATAL ZD005.
pub(crate) fn id(what: &str, value: &str) -> Result<String, Report> {
    let characters = value.chars().count();
    if (1..=ID_CHARACTERS_MAX).contains(&characters) {
        return Ok(value.to_owned());
    }
    let fault = if characters == 0 {
        format!("{what} id is empty")
    } else {
        format!("{what} id is too long")
    };
    Err(Report::fatal(code::BAD_ID, fault)
        .detail(format!(
            "It has {characters} characters; 1 to {ID_CHARACTERS_MAX} are allowed."
        ))
        .hint(format!(
            "Set pgdraft.{what} to a text of 1 to {ID_CHARACTERS_MAX} characters, or leave it out."
        )))
}

/// Refuses settings that change how a text is read or who runs it.
fn check(name: &str, value: &str) -> Result<(), Report> {
    let lower = name.to_ascii_lowercase();
    let bad = match lower.as_str() {
        "standard_conforming_strings" => !is_on(value),
        "client_encoding" => !is_utf8(value),
        "role"
        | "session_authorization"
        | "is_superuser"
        | "local_preload_libraries"
        | "session_preload_libraries" => true,
        "row_security" => sql::boolean(value).is_none(),
        _ => false,
    };
    if !bad {
        return Ok(());
    }
    let hint = match lower.as_str() {
        "standard_conforming_strings" => "Leave standard_conforming_strings on.",
        "client_encoding" => "Connect with client_encoding UTF8.",
        _ => "Leave this parameter out of the connection's options.",
    };
    Err(Report::fatal(
        "0A000",
        format!("parameter \"{lower}\" cannot be set to this value through pgdraft"),
    )
    .hint(hint))
}

/// The client's `row_security` under our name: the server's keeps drafts apart.
fn row_security(name: &str, value: &str) -> Option<(String, String)> {
    let on = sql::boolean(value)?;
    let value = if on { "on" } else { "off" };
    name.eq_ignore_ascii_case("row_security")
        .then(|| ("pgdraft.row_security".to_owned(), value.to_owned()))
}

/// As PostgreSQL reads a boolean: any unique prefix.
fn is_on(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    !value.is_empty()
        && (["true", "yes"].iter().any(|word| word.starts_with(&value))
            || matches!(value.as_str(), "on" | "1"))
}

/// As PostgreSQL reads the name of an encoding: letters and digits count, in any case.
fn is_utf8(value: &str) -> bool {
    let letters: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    matches!(letters.as_str(), "utf8" | "unicode")
}

/// One word of `options`: white space and backslashes get a backslash.
fn escape(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for letter in word.chars() {
        if letter == '\\' || letter.is_ascii_whitespace() || letter == '\x0b' {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// A name for a session that the client did not name: `<agent>-<utc date>-<random>`.
pub(crate) fn generated(agent: &str, random: &[u8]) -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let (year, month, day) = date(i64::try_from(seconds / 86_400).unwrap_or(0));
    let agent: String = agent.chars().take(150).collect();
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{agent}-{year:04}{month:02}{day:02}-{random}")
}

/// Seconds since 1970 as PostgreSQL prints a `timestamptz` in UTC.
#[must_use]
pub fn utc(seconds: u64) -> String {
    let (year, month, day) = date(i64::try_from(seconds / 86_400).unwrap_or(0));
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}+00")
}

/// Year, month and day for a count of days since 1970, in the Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn options_win_over_parameters_over_the_user_name() {
        let options = pairs(&[("pgdraft.session", "a"), ("work_mem", "1 MB\\")]);
        let parameters = pairs(&[
            ("database", "shop"),
            ("pgdraft.session", "b"),
            ("pgdraft.operation", "o"),
            ("application_name", "x"),
        ]);
        let found = wishes(&parameters, &options, Some("c")).unwrap();
        assert_eq!(found.session.as_deref(), Some("a"));
        assert_eq!(found.operation.as_deref(), Some("o"));
        assert_eq!(found.database.as_deref(), Some("shop"));
        assert_eq!(
            found.parameters,
            pairs(&[
                ("application_name", "x"),
                ("options", "-c work_mem=1\\ MB\\\\"),
                ("client_encoding", "UTF8"),
            ])
        );
        let options = found.parameters[1].1.as_str();
        let read = wire::startup::split_options(options).unwrap();
        assert_eq!(read, pairs(&[("work_mem", "1 MB\\")]));
        let named = wishes(&[], &[], Some("c")).unwrap();
        assert_eq!(named.session.as_deref(), Some("c"));
    }

    #[test]
    fn bad_ids_are_refused_with_a_hint() {
        for bad in ["", &"x".repeat(201)] {
            let report = wishes(&[], &pairs(&[("pgdraft.session", bad)]), None).unwrap_err();
            assert_eq!(report.code, "ZD005");
            assert!(report.hint.is_some());
        }
        assert!(
            wishes(
                &[],
                &pairs(&[("pgdraft.operation", &"ä".repeat(200))]),
                None
            )
            .is_ok()
        );
        let report = wishes(&pairs(&[("pgdraft.other", "1")]), &[], None).unwrap_err();
        assert_eq!(report.code, "42704");
    }

    #[test]
    fn dangerous_settings_are_refused() {
        for (name, value) in [
            ("standard_conforming_strings", "off"),
            ("client_encoding", "LATIN1"),
            ("Role", "postgres"),
            ("session_authorization", "postgres"),
        ] {
            assert_eq!(
                wishes(&pairs(&[(name, value)]), &[], None)
                    .unwrap_err()
                    .code,
                "0A000"
            );
        }
        for (name, value) in [
            ("standard_conforming_strings", "on"),
            ("client_encoding", "'utf-8'"),
            ("client_encoding", "UNICODE"),
            ("search_path", "app, public"),
        ] {
            assert!(wishes(&pairs(&[(name, value)]), &[], None).is_ok());
        }
    }

    #[test]
    fn dates_are_right() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(20_453), (2025, 12, 31));
        let name = generated("bob", &[0xab, 0x01]);
        assert!(
            name.starts_with("bob-20") && name.ends_with("-ab01"),
            "{name}"
        );
    }
}
