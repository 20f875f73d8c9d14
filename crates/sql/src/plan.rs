//! What the data plane is told to do with a statement.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use catalog::{Catalog, RelationId};

/// What a session has changed, as far as planning needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftView {
    /// Relation → rows this session has in its head (an estimate; see [`catalog::LARGE_DRAFT`]).
    pub dirty: HashMap<RelationId, u64>,
    /// Those of them that it may have truncated: their reads look whether the base is hidden.
    pub truncated: HashSet<RelationId>,
    /// It may have sequences of its own: what it restarted or set.
    pub sequences: bool,
}

impl DraftView {
    /// One that has changed every table.
    pub(crate) fn of_all(catalog: &Catalog) -> Self {
        let all = catalog.relations.keys();
        Self {
            dirty: all.map(|id| (catalog.drafted_as(*id), 1)).collect(),
            sequences: true,
            ..Self::default()
        }
    }
}

/// Names of a connection's temporary relations, with the number of columns that each has.
pub type Temporary = BTreeMap<String, usize>;

/// Everything outside the text that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The catalog snapshot.
    pub catalog: &'a Catalog,
    /// Effective search path, without implicit schemas, unquoted, `$user` resolved.
    pub search_path: &'a [String],
    /// That of the client's own text, by which PostgreSQL reads whatever is sent.
    pub outermost: &'a [String],
    /// The draft.
    pub draft: &'a DraftView,
    /// The connection's temporary relations.
    pub temporary: &'a Temporary,
    /// What functions may run.
    pub functions: &'a FunctionPolicy,
    /// The snapshot was read again for this statement: what it does not know does not exist.
    pub fresh: bool,
    /// How many functions the text stands in that are written out; 0 for the client's own.
    pub expanded: usize,
    /// In a text whose names are qualified: `search_path` and `temporary` of the client's own, by which
    /// PostgreSQL finds the names in the functions that it calls.
    pub client: Option<(&'a [String], &'a Temporary)>,
    /// In the text of a view, which reads with its owner's rights.
    pub in_view: bool,
}

impl<'a> Context<'a> {
    /// For a text of the client's own, by the search path and the temporary relations of its connection.
    pub fn of_client(
        (catalog, draft): (&'a Catalog, &'a DraftView),
        (search_path, temporary): (&'a [String], &'a Temporary),
        functions: &'a FunctionPolicy,
        fresh: bool,
    ) -> Self {
        Self {
            catalog,
            search_path,
            outermost: search_path,
            draft,
            temporary,
            functions,
            fresh,
            expanded: 0,
            client: None,
            in_view: false,
        }
    }

    /// What it is for a text whose names are qualified.
    pub(crate) fn qualified(&self, none: &'a Temporary) -> Self {
        Self {
            search_path: &[],
            temporary: none,
            client: self.client.or(Some((self.search_path, self.temporary))),
            ..*self
        }
    }
}

/// Names of functions an agent may call besides the safe ones.
#[derive(Debug, Clone, Default)]
pub struct FunctionPolicy {
    /// `name` or `schema.name`, folded as PostgreSQL stores it.
    pub allowed: Vec<String>,
}

/// How a rewritten text's positions lead back to the client's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PositionMap {
    /// Copied pieces in order of `new_start`; all values count characters from 0.
    pub copied: Vec<Copied>,
}

/// A piece of the client's text that stands unchanged in the rewritten text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// First character in the rewritten text.
    pub new_start: usize,
    /// First character in the client's text.
    pub old_start: usize,
    /// Length in characters.
    pub length: usize,
}

impl PositionMap {
    /// Of a text that is the client's own.
    pub fn whole(text: &str) -> Self {
        let length = text.chars().count();
        let copied = Copied {
            new_start: 0,
            old_start: 0,
            length,
        };
        Self {
            copied: vec![copied],
        }
    }

    /// Maps a 1-based character position of the rewritten text to the client's text;
    /// `None` inside text that pgdraft made.
    pub fn to_client(&self, position: usize) -> Option<usize> {
        let at = position.checked_sub(1)?;
        let index = self.copied.partition_point(|c| c.new_start <= at);
        let piece = self.copied.get(index.checked_sub(1)?)?;
        let offset = at - piece.new_start;
        (offset < piece.length).then_some(piece.old_start + offset + 1)
    }
}

/// The way one statement is to be run.
#[derive(Debug, Clone)]
pub enum Plan {
    /// The client's text goes upstream unchanged.
    Relay(Relay),
    /// A read of changed tables: another text of the same shape.
    Read(Arc<Rewritten>),
    /// A change: needs heads, the session's lock and an operation first.
    Write(Arc<Write>),
    /// Heads are missing: draft these tables, then plan again.
    NeedsDraft(Vec<RelationId>),
    /// A name that the snapshot does not know: refresh the catalog once, then plan again with
    /// `Context` of the new snapshot; if it is still unknown the plan is `Relay`.
    NeedsCatalog,
    /// `SET pgdraft.operation = '…'`, `RESET pgdraft.operation`, `SET LOCAL …`: answered by the proxy.
    SetOperation {
        /// The new operation id; `None` = RESET.
        value: Option<String>,
        /// SET LOCAL: ends with the transaction.
        local: bool,
    },
    /// `SHOW pgdraft.session` / `SHOW pgdraft.operation`: answered by the proxy.
    ShowOwn {
        /// `pgdraft.session` or `pgdraft.operation`.
        name: &'static str,
    },
}

/// A statement that goes upstream as it is, and what the session has to note about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// What it does to the connection.
    pub effect: Effect,
}

/// What a relayed statement does to connection state that the proxy tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, ROLLBACK TO, RELEASE. The transaction status is read
    /// from ReadyForQuery; ROLLBACK and ROLLBACK TO can undo a SET.
    Transaction,
    /// SET / RESET / set_config that can change `search_path` (or all settings, or the role): the
    /// proxy re-reads its settings before it plans the next statement.
    Settings,
    /// RESET ALL: as `Settings`, and the session token must be bound again.
    Reset,
    /// DISCARD ALL: as `Reset`, and no prepared statement is left.
    Discard,
    /// DISCARD SEQUENCES: the session is a sequence's value in the backend, and must be bound again.
    Unbind,
    /// DEALLOCATE name (or ALL = `None`): the prepared statement map forgets it.
    Deallocate(Option<String>),
    /// PREPARE: there is a prepared statement of that name from now on.
    Prepare(String),
    /// Temporary relations may have come, changed or gone.
    Temporary,
    /// Nothing, because what it would make is there: the command tag that the client must see.
    Skip(&'static str),
    /// COPY … FROM: the client's data must follow, whether it says STDIN or STDOUT.
    CopyIn,
    /// COPY … TO: rows follow as CopyData.
    CopyOut,
}

impl Effect {
    /// The command tag that the client must see in place of upstream's.
    pub fn verb(&self) -> Option<Verb> {
        match self {
            Self::Skip(tag) => Some(Verb::Other(tag)),
            _ => None,
        }
    }
}

/// A text that replaces the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// What goes upstream. Parameters keep their numbers.
    pub text: String,
    /// Positions back.
    pub positions: PositionMap,
    /// Relations merged in it (their draft size was part of the decision).
    pub merged: Vec<RelationId>,
    /// For COPY … TO STDOUT of a merged relation.
    pub effect: Effect,
    /// What it locks besides what it writes.
    pub locks: Locks,
}

/// What a statement locks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Locks {
    /// Nothing.
    #[default]
    No,
    /// Advisory locks, whose keys are the session's: it must have its row.
    Own,
    /// It stood under FOR UPDATE or FOR SHARE: the session's lock is taken first, as by a write.
    Writers,
    /// LOCK TABLE: [`Statement::table_lock`](crate::Statement::table_lock) says what.
    Tables,
    /// It stood under SKIP LOCKED or NOWAIT: rows are locked one by one, and other writers than those
    /// who do the same must not be at work.
    Rows,
}

/// LOCK TABLE, as far as other connections of the session are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLock {
    /// Tables with what inherits from them, as written, quoted.
    pub tables: Vec<String>,
    /// Tables after ONLY.
    pub only: Vec<String>,
    /// PostgreSQL's number of the mode, 2 (ROW SHARE) to 8 (ACCESS EXCLUSIVE).
    pub mode: i32,
    /// An error instead of a wait.
    pub nowait: bool,
}

/// A rewritten change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The one statement that writes head and log.
    pub rewritten: Rewritten,
    /// Base tables it changes, cascades included: dirty from now on.
    pub changes: Vec<RelationId>,
    /// Changed tables that it reads, all of whose changed rows count: of the others the text notes the
    /// rows.
    pub reads: Vec<RelationId>,
    /// The first word of the command tag the client must see.
    pub verb: Verb,
    /// Text with constants replaced by `$n`, for the operation's record.
    pub redacted: String,
    /// The statement comes back without rows (no RETURNING); its tag is `INSERT 0 n` upstream.
    pub returning: bool,
    /// What the server's 21000 from a head's ON CONFLICT means to the client.
    pub doubled: Doubled,
    /// Without RETURNING it still gives one empty row for each changed row, and the tag `SELECT n`:
    /// the rows are dropped, the number counts.
    pub counted: bool,
    /// It restarts or sets sequences: the session has its own from now on.
    pub sequences: bool,
}

/// What it means that an INSERT into a head comes to one row a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubled {
    /// What the server says.
    Same,
    /// Two rows of a plain INSERT have the same primary key: 23505.
    Key(KeyName),
    /// Two parts of the statement change the same row: PostgreSQL would apply one of them and not
    /// say which.
    Parts,
}

/// A constraint of a base table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// Schema of its table.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub constraint: String,
}

/// Command tags of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `INSERT 0 n`.
    Insert,
    /// `UPDATE n`.
    Update,
    /// `DELETE n`.
    Delete,
    /// `MERGE n`.
    Merge,
    /// `COPY n`.
    Copy,
    /// `EXPLAIN`.
    Explain,
    /// Of a statement that has nothing to count.
    Other(&'static str),
    /// `TRUNCATE TABLE`.
    Truncate,
    /// `SELECT n`: a query with data-modifying CTEs.
    Select,
}
