//! The startup parameter `options`: settings in the form of command-line switches.
//!
//! Source: `pg_split_opts` and `process_postgres_switches` in PostgreSQL's
//! `src/backend/utils/init/postinit.c` and `src/backend/tcop/postgres.c`.

use report::Report;

/// Why `options` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A word that is no setting.
    #[error("invalid command-line argument for server process: {0}")]
    Argument(String),
    /// A setting without a value.
    #[error("{0} requires a value")]
    NoValue(String),
}

impl OptionsError {
    /// FATAL 42601, as PostgreSQL says it.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::fatal("42601", self.to_string()).hint(
            "Write options as \"-c name=value\" or \"--name=value\", with spaces in values escaped by a backslash.",
        )
    }
}

/// The settings in `options`, in their order: `-c k=v`, `-ck=v`, `--k=v`.
///
/// White space splits words, a backslash takes the next character as it is, dashes in names become
/// underscores. Other switches, which PostgreSQL takes there, are refused.
///
/// # Errors
/// A word that is no setting, or one without a value.
pub fn split(options: &str) -> Result<Vec<(String, String)>, OptionsError> {
    let mut settings = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let (shown, setting) = if let Some(long) = word.strip_prefix("--") {
            (word.clone(), long.to_owned())
        } else if word == "-c" {
            let setting = words
                .next()
                .ok_or_else(|| OptionsError::NoValue(word.clone()))?;
            (format!("-c {setting}"), setting)
        } else if let Some(attached) = word.strip_prefix("-c") {
            (word.clone(), attached.to_owned())
        } else {
            return Err(OptionsError::Argument(word));
        };
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| OptionsError::NoValue(shown.clone()))?;
        if name.is_empty() {
            return Err(OptionsError::Argument(shown));
        }
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// Words as `pg_split_opts` finds them: a lone backslash at the end is dropped.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // C's isspace in the C locale.
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => {
                let word = word.get_or_insert_default();
                word.extend(letters.next());
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(options: &str) -> Vec<(String, String)> {
        split(options).unwrap()
    }

    #[test]
    fn settings_in_every_form() {
        let expected = [
            ("a.b", "c"),
            ("d", "e=f"),
            ("search_path", "x,y"),
            ("work_mem", ""),
            ("k_k", "v-v"),
        ];
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let options = "-c a.b=c  -cd=e=f\t--search-path=x,y\n-c work_mem= -c k-k=v-v ";
        assert_eq!(good(options), expected);
        assert!(good("").is_empty());
        assert!(good(" \t ").is_empty());
    }

    #[test]
    fn a_backslash_takes_the_next_character() {
        let cases = [
            (r"-c a=b\ c", "b c"),
            (r"-c a=b\\c", r"b\c"),
            (r"-c a=\b", "b"),
            ("-c a=b\\\tc", "b\tc"),
            ("-c a=b\\", "b"),
            ("-c a=ä", "ä"),
        ];
        for (options, value) in cases {
            assert_eq!(good(options), [("a".to_owned(), value.to_owned())]);
        }
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for bad in ["a=b", "-", "-d 5", "-e", "-C a=b", "\\", "-c =b", "--=b"] {
            let error = split(bad).unwrap_err();
            assert!(matches!(error, OptionsError::Argument(_)), "{bad}");
            assert_eq!(error.report().code, "42601");
        }
        for bad in ["-c", "-c a", "-ca", "--a", "--", "-c \\"] {
            let error = split(bad).unwrap_err();
            assert!(matches!(error, OptionsError::NoValue(_)), "{bad}");
        }
    }
}
