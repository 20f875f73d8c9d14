//! The commands of a reviewer, from a shell: the admin language of [`console`] as sub-commands,
//! straight to the database, as its operator.
//!
//! [`VERBS`] says which commands are which sub-command; what each takes stands in the console's own
//! table, and [`FLAGS`] says how an argument is called here. What they answer is shown by
//! [`answer`].

mod answer;
mod progress;
#[cfg(test)]
mod tests;

use clap::{Arg, ArgAction, ArgMatches, Args as _, FromArgMatches as _};
use console::{COMMANDS, Caller, Piece, Request, Spec, TableName};

use self::progress::Shown;
use crate::cli::Operator;
use crate::failure::Failure;
use crate::operator::{self, print};
use crate::render::Paint;

/// A sub-command.
#[derive(Debug)]
pub(crate) struct Verb {
    /// Its name.
    pub(crate) name: &'static str,
    /// The leading words of the commands that it can be; which one the arguments tell.
    forms: &'static [(&'static str, &'static str)],
    /// What its rows are called in JSON.
    list: &'static str,
    /// What is said while it works, where that may take a while.
    doing: Option<&'static str>,
    examples: &'static str,
}

/// Every sub-command of a reviewer but `diff`, which shows its rows as they come.
pub(crate) static VERBS: &[Verb] = &[
    Verb {
        name: "sessions",
        forms: &[("SHOW", "SESSIONS")],
        list: "sessions",
        doing: None,
        examples: "\
  pgdraft sessions
  pgdraft sessions --json | jq -r '.sessions[] | select(.state == \"proposed\").session'",
    },
    Verb {
        name: "operations",
        forms: &[("SHOW", "OPERATIONS")],
        list: "operations",
        doing: None,
        examples: "\
  pgdraft operations tidy-up
  pgdraft operations tidy-up --full            with what their parameters were, where it is kept",
    },
    Verb {
        name: "dependencies",
        forms: &[("SHOW", "DEPENDENCIES")],
        list: "dependencies",
        doing: None,
        examples: "\
  pgdraft dependencies tidy-up",
    },
    Verb {
        name: "conflicts",
        forms: &[("SHOW", "CONFLICTS")],
        list: "conflicts",
        doing: Some("comparing"),
        examples: "\
  pgdraft conflicts tidy-up
  pgdraft conflicts tidy-up --json | jq '.conflicts | length'",
    },
    Verb {
        name: "stale-reads",
        forms: &[("SHOW", "STALE")],
        list: "stale_reads",
        doing: Some("comparing"),
        examples: "\
  pgdraft stale-reads tidy-up                 what it read and production has changed since",
    },
    Verb {
        name: "resolve",
        forms: &[("RESOLVE", "CONFLICT")],
        list: "conflicts",
        doing: None,
        examples: "\
  pgdraft resolve tidy-up --take ours                       the draft's values everywhere
  pgdraft resolve tidy-up --table stock --key 7 --take theirs
                                                            production's, in one row
  pgdraft resolve tidy-up --table stock --key 7 --column price --value 12.50
                                                            another one",
    },
    Verb {
        name: "rebase",
        forms: &[("REBASE", "SESSION")],
        list: "changes",
        doing: Some("rebasing"),
        examples: "\
  pgdraft rebase tidy-up",
    },
    Verb {
        name: "rehearse",
        forms: &[("REHEARSE", "SESSION")],
        list: "rehearsal",
        doing: Some("rehearsing"),
        examples: "\
  pgdraft rehearse tidy-up
  pgdraft rehearse tidy-up --json | jq .can_be_committed",
    },
    Verb {
        name: "commit",
        forms: &[("COMMIT", "OPERATIONS"), ("COMMIT", "SESSION")],
        list: "rows",
        doing: Some("committing"),
        examples: "\
  pgdraft commit tidy-up
  pgdraft commit tidy-up --fingerprint 0c9a…  only if the draft still is what was reviewed
  pgdraft commit tidy-up --operation restock --operation close
                                              these alone; the session goes on with the others
  pgdraft commit tidy-up --operation close --cascade
                                              and whatever it needs",
    },
    Verb {
        name: "discard",
        forms: &[("DISCARD", "OPERATIONS"), ("DISCARD", "SESSION")],
        list: "rows",
        doing: Some("discarding"),
        examples: "\
  pgdraft discard tidy-up
  pgdraft discard tidy-up --operation restock          the session goes on without it
  pgdraft discard tidy-up --operation restock --cascade
                                                       and without whatever needs it",
    },
    Verb {
        name: "revert",
        forms: &[
            ("REVERT", "SESSION"),
            ("REVERT", "OPERATION"),
            ("REVERT", "AGENT"),
        ],
        list: "rows",
        doing: Some("reverting"),
        examples: "\
  pgdraft revert tidy-up --as undo            then: pgdraft diff undo, pgdraft commit undo
  pgdraft revert tidy-up --operation restock  one operation of it
  pgdraft revert --agent bot --since 14:00    all that an agent committed since",
    },
    Verb {
        name: "rewind",
        forms: &[("REWIND", "SESSION")],
        list: "rows",
        doing: Some("rewinding"),
        examples: "\
  pgdraft rewind tidy-up --to restock         restock stays, what came after it goes",
    },
    Verb {
        name: "fork",
        forms: &[("FORK", "SESSION")],
        list: "rows",
        doing: Some("copying"),
        examples: "\
  pgdraft fork tidy-up --as second-try
  pgdraft fork tidy-up --as then --at restock the database as it was after restock",
    },
    Verb {
        name: "propose",
        forms: &[("PROPOSE", "SESSION")],
        list: "rows",
        doing: None,
        examples: "\
  pgdraft propose tidy-up",
    },
    Verb {
        name: "reopen",
        forms: &[("REOPEN", "SESSION")],
        list: "rows",
        doing: None,
        examples: "\
  pgdraft reopen tidy-up",
    },
];

/// An argument as the shell has it.
#[derive(Debug)]
struct Flag {
    name: &'static str,
    value: &'static str,
    env: &'static str,
    help: &'static str,
}

/// What arguments are called; `session` stands without its name.
static FLAGS: &[Flag] = &[
    flag(
        "session",
        "SESSION",
        "PGDRAFT_SESSION",
        "Name of the session",
    ),
    flag(
        "operation",
        "OPERATION",
        "PGDRAFT_OPERATION",
        "This operation alone",
    ),
    flag(
        "to",
        "OPERATION",
        "PGDRAFT_TO",
        "The last operation that stays",
    ),
    flag(
        "at",
        "OPERATION",
        "PGDRAFT_AT",
        "As the session was after this operation",
    ),
    flag("as", "SESSION", "PGDRAFT_AS", "Name of the new session"),
    flag(
        "agent",
        "AGENT",
        "PGDRAFT_AGENT",
        "All that this agent has committed",
    ),
    flag(
        "since",
        "TIME",
        "PGDRAFT_SINCE",
        "From then on, as PostgreSQL reads times",
    ),
    flag(
        "table",
        "TABLE",
        "PGDRAFT_TABLE",
        "One table only: name, or schema.name",
    ),
    flag(
        "key",
        "VALUE",
        "PGDRAFT_KEY",
        "The row with this primary key; a composite key as VALUE,VALUE",
    ),
    flag("column", "COLUMN", "PGDRAFT_COLUMN", "One column only"),
    flag("take", "WHOSE", "PGDRAFT_TAKE", "Whose value is to hold"),
    flag(
        "value",
        "VALUE",
        "PGDRAFT_VALUE",
        "Another value, for one column of a table",
    ),
    flag(
        "full",
        "",
        "PGDRAFT_FULL",
        "Long values too are given whole",
    ),
    flag(
        "cascade",
        "",
        "PGDRAFT_CASCADE",
        "Take along the operations that belong to the chosen ones",
    ),
    flag(
        "fingerprint",
        "FINGERPRINT",
        "PGDRAFT_FINGERPRINT",
        "Only if the draft still has this fingerprint, which every diff carries",
    ),
];

const fn flag(
    name: &'static str,
    value: &'static str,
    env: &'static str,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        value,
        env,
        help,
    }
}

/// An argument of one command.
#[derive(Debug)]
struct Argument {
    flag: &'static Flag,
    piece: &'static Piece,
    required: bool,
}

/// What was typed: a sub-command and its arguments.
#[derive(Debug)]
pub(crate) struct Review {
    verb: &'static Verb,
    request: Result<Request, String>,
    operator: Operator,
}

impl Verb {
    /// The commands that it can be.
    fn specs(&self) -> impl Iterator<Item = &'static Spec> {
        self.forms.iter().flat_map(|form| {
            let of = |spec: &&Spec| spec.leading_words() == *form;
            COMMANDS.iter().filter(of)
        })
    }

    /// As clap knows it.
    pub(crate) fn command(&self) -> clap::Command {
        let whole = |spec: &&Spec| spec.leading_words().1 == "SESSION";
        let about = self
            .specs()
            .find(whole)
            .or_else(|| self.specs().next())
            .map_or("", |s| s.about);
        let sql: Vec<String> = self.specs().map(|s| format!("  {}", s.usage())).collect();
        let mut command = clap::Command::new(self.name).after_help(format!(
            "Examples:\n  {}\n\nThe same over SQL:\n{}",
            self.examples,
            sql.join("\n")
        ));
        let mut seen: Vec<&str> = Vec::new();
        for argument in self.specs().flat_map(arguments) {
            let name = argument.flag.name;
            if !seen.contains(&name) {
                seen.push(name);
                let everywhere = self.specs().all(|spec| {
                    arguments(spec)
                        .iter()
                        .any(|a| a.flag.name == name && (a.required || name == "session"))
                });
                command = command.arg(argument.arg().required(everywhere));
            }
        }
        Operator::augment_args(command).about(about.trim_end_matches('.').to_owned())
    }

    fn parse(&'static self, matches: &ArgMatches) -> Result<Review, clap::Error> {
        let operator = Operator::from_arg_matches(matches)?;
        let fitting = self.specs().find_map(|spec| fill(spec, matches));
        let forms: Vec<String> = self.specs().map(|s| s.usage()).collect();
        Ok(Review {
            verb: self,
            request: fitting.ok_or_else(|| forms.join(", or ")),
            operator,
        })
    }
}

impl Argument {
    fn arg(&self) -> Arg {
        let Flag {
            name,
            value,
            env,
            help,
        } = self.flag;
        let arg = Arg::new(*name).help(*help).env(*env);
        let arg = if *name == "session" {
            arg
        } else {
            arg.long(*name)
        };
        match self.piece {
            Piece::Word(_) => return arg.action(ArgAction::SetTrue),
            Piece::Operations => arg
                .action(ArgAction::Append)
                .help(format!("{help}; may be given several times")),
            Piece::Key => arg.action(ArgAction::Append).value_delimiter(','),
            Piece::OneOf(words) => arg.ignore_case(true).value_parser(lower(words)),
            _ => arg,
        }
        .value_name(*value)
    }
}

fn lower(words: &'static [&'static str]) -> Vec<clap::builder::PossibleValue> {
    let value = |word: &&'static str| match *word {
        "OURS" => clap::builder::PossibleValue::new("ours").help("The draft's"),
        "THEIRS" => clap::builder::PossibleValue::new("theirs").help("Production's"),
        other => clap::builder::PossibleValue::new(other),
    };
    words.iter().map(value).collect()
}

/// What a command takes.
fn arguments(spec: &'static Spec) -> Vec<Argument> {
    let mut found = Vec::new();
    walk(spec.pieces.get(1..).unwrap_or_default(), true, &mut found);
    found
}

fn walk(pieces: &'static [Piece], required: bool, found: &mut Vec<Argument>) {
    let mut words: Vec<&str> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Optional([word @ Piece::Word(name)]) => {
                found.extend(named(name).map(|flag| Argument {
                    flag,
                    piece: word,
                    required: false,
                }))
            }
            Piece::Optional(inner) => walk(inner, false, found),
            _ => {
                found.extend(named(&called(&words)).map(|flag| Argument {
                    flag,
                    piece,
                    required,
                }));
                words.clear();
            }
        }
    }
    // A word that ends a command makes it another one: SHOW OPERATIONS FULL.
    if let Some(piece @ Piece::Word(word)) = pieces.last() {
        found.extend(named(word).map(|flag| Argument {
            flag,
            piece,
            required,
        }));
    }
}

/// The words before an argument say what it is: `AT OPERATION 'o'` is `--at o`.
fn called(words: &[&str]) -> String {
    match words {
        [.., before @ ("TO" | "AT"), "OPERATION"] => before,
        [.., "OPERATIONS"] => "OPERATION",
        [.., last] => last,
        [] => "",
    }
    .to_ascii_lowercase()
}

fn named(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|f| f.name.eq_ignore_ascii_case(name))
}

/// The command with what was typed; `None` where it has no place for all of it, or needs more.
fn fill(spec: &'static Spec, matches: &ArgMatches) -> Option<Request> {
    let arguments = arguments(spec);
    let has = |name: &str| {
        let source = matches.try_contains_id(name).unwrap_or(false);
        source && matches.value_source(name) != Some(clap::parser::ValueSource::DefaultValue)
    };
    let elsewhere =
        |flag: &Flag| has(flag.name) && !arguments.iter().any(|a| a.flag.name == flag.name);
    if FLAGS.iter().any(elsewhere) {
        return None;
    }
    let mut request = Request::new(spec);
    for Argument {
        flag,
        piece,
        required,
    } in &arguments
    {
        if !has(flag.name) {
            if *required {
                return None;
            }
            continue;
        }
        if let Piece::Word(word) = piece {
            request.words.push(word);
            continue;
        }
        let values = matches.get_many::<String>(flag.name)?.cloned().collect();
        place(&mut request, piece, values);
    }
    Some(request)
}

fn place(request: &mut Request, piece: &'static Piece, mut values: Vec<String>) {
    match piece {
        Piece::Operation | Piece::Operations => request.operations = values,
        Piece::Key => request.key = values,
        Piece::Session => request.session = values.pop(),
        Piece::Column => request.column = values.pop(),
        Piece::Fingerprint => request.fingerprint = values.pop(),
        Piece::Client => request.client = values.pop(),
        Piece::Table => request.table = values.pop().map(|name| table_name(&name)),
        Piece::Rows => request.rows = values.pop().and_then(|n| n.parse().ok()),
        Piece::Text(what) => request.texts.extend(values.pop().map(|text| (*what, text))),
        Piece::OneOf(words) => {
            let chosen = values.pop().unwrap_or_default();
            let word = words.iter().find(|w| w.eq_ignore_ascii_case(&chosen));
            request.words.extend(word);
        }
        Piece::Word(_) | Piece::Optional(_) => {}
    }
}

/// `name` or `schema.name`; a dot inside a name cannot be written here.
pub(crate) fn table_name(text: &str) -> TableName {
    match text.split_once('.') {
        Some((schema, name)) => TableName {
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
        },
        None => TableName {
            schema: None,
            name: text.to_owned(),
        },
    }
}

/// The sub-commands of [`VERBS`], for the derived command line.
impl clap::Subcommand for Review {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        command.subcommands(VERBS.iter().map(Verb::command))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        VERBS.iter().any(|verb| verb.name == name)
    }
}

impl clap::FromArgMatches for Review {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let verb = VERBS.iter().find(|v| v.name == name).ok_or_else(missing)?;
        verb.parse(matches)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Comes with the first Ctrl-C; the second one ends the program.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        return std::future::pending().await;
    }
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    eprintln!("cancelling; once more Ctrl-C ends pgdraft without waiting for the answer");
}

/// Runs a sub-command.
pub(crate) async fn run(review: &Review) -> Result<(), Failure> {
    let request = review.request.as_ref().map_err(|forms| Failure::Usage {
        message: format!(
            "these arguments of pgdraft {} do not go together",
            review.verb.name
        ),
        hint: format!(
            "it can be: {forms}; pgdraft {} --help has examples",
            review.verb.name
        ),
    })?;
    let (drafts, me) = operator::connect(&review.operator).await?;
    let caller = Caller {
        name: &me,
        reviewer: true,
        own_session: None,
        process: None,
    };
    let shown = Shown::new(review.operator.json);
    let drafts = drafts.telling(shown.progress()).stoppable();
    let work = drafts.unless(interrupted(), console::run(&drafts, &caller, request));
    let rows = shown.during(review.verb.doing, work).await?;
    print(&if review.operator.json {
        answer::json(request, review.verb.list, &rows)
    } else {
        answer::text(request.spec, &rows, Paint::for_stdout())
    })
}
