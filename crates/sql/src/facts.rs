//! What a statement's tree says about itself, before any catalog is asked.

use pg_query::protobuf::{DeleteStmt, InsertStmt, MergeStmt, UpdateStmt};

/// A relation read in a FROM, JOIN or USING: never a CTE, never the target of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableRef {
    /// Index into [`Facts::blocks`].
    pub(crate) block: usize,
    /// Byte where the name starts.
    pub(crate) location: usize,
    /// Schema, if the client wrote one.
    pub(crate) schema: Option<String>,
    /// Name as PostgreSQL folds it.
    pub(crate) name: String,
    /// Alias, if the client wrote one.
    pub(crate) alias: Option<String>,
    /// ONLY was written.
    pub(crate) only: bool,
    /// It stands under TABLESAMPLE.
    pub(crate) sampled: bool,
    /// The names that its alias gives to its first columns.
    pub(crate) renamed: Vec<String>,
}

/// The table that a change is of, where its columns can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Schema, if the client wrote one.
    pub(crate) schema: Option<String>,
    /// Name as PostgreSQL folds it.
    pub(crate) name: String,
    /// What its columns are qualified with.
    pub(crate) label: String,
}

impl TableRef {
    /// The name its columns are qualified with.
    pub(crate) fn label(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

/// A function call, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Schema, if written.
    pub(crate) schema: Option<String>,
    /// Name.
    pub(crate) name: String,
    /// Byte of the call.
    pub(crate) location: usize,
    /// First argument where it is a string constant (for `set_config`).
    pub(crate) first_constant: Option<String>,
    /// Second argument where it is a string constant.
    pub(crate) second_constant: Option<String>,
    /// Nothing but arguments by their places or names: no VARIADIC, FILTER, OVER and the like.
    pub(crate) plain: bool,
    /// It is a whole item of a select list, and names the output.
    pub(crate) bare: bool,
    /// It is an item of a FROM.
    pub(crate) source: Option<Source>,
    /// The block in which it stands.
    pub(crate) block: usize,
}

/// A function in a FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Alias, if the client wrote one.
    pub(crate) alias: Option<String>,
    /// Nothing stands behind the call but WITH ORDINALITY and an alias.
    pub(crate) plain: bool,
    /// WITH ORDINALITY was written.
    pub(crate) ordinality: bool,
    /// LATERAL was written.
    pub(crate) lateral: bool,
}

/// A column reference as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnUse {
    /// Index into [`Facts::blocks`].
    pub(crate) block: usize,
    /// Its parts; `*` for a star.
    pub(crate) fields: Vec<String>,
    /// Byte where it starts.
    pub(crate) location: usize,
    /// It is a whole item of a select list, and names the output.
    pub(crate) bare: bool,
}

/// A condition by which an index finds rows: `column = …`, `IN`, `= ANY`, both ends of a range, or the
/// first rows in a column's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sought {
    /// The column as written.
    pub(crate) column: Vec<String>,
    /// The other column that it is equal to; `None` for constants and parameters.
    pub(crate) by: Option<Vec<String>>,
}

/// A condition of columns and constants, as the pieces it is written of.
pub(crate) type Test = Vec<Piece>;

/// A piece of a [`Test`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Operators, brackets, types.
    Ours(String),
    /// A column as written.
    Column(Vec<String>),
    /// Byte where a constant or a parameter starts, its minus before it.
    Constant(usize),
}

/// One query block: a SELECT with its own FROM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Some clause that the planner may evaluate below the merge (WHERE, ON, GROUP BY, ORDER BY,
    /// lateral calls) holds an expression over columns that can fail: its tables must be fenced,
    /// so that it never sees a base row that the draft hides.
    pub(crate) risky: bool,
    /// The functions that those clauses call.
    pub(crate) called: Vec<Called>,
    /// Where it stands, as far as conditions from outside can be pushed into it.
    pub(crate) under: Under,
    /// Column references of GROUP BY, if it has one.
    pub(crate) group_by: Vec<Vec<String>>,
    /// Column references of its grouping sets: NULL where a set does not have them.
    pub(crate) group_some: Vec<Vec<String>>,
    /// The names among them that the select list gives to a column, which they mean where no table
    /// has a column of that name.
    pub(crate) group_aliases: Vec<(String, Vec<String>)>,
    /// The table that it changes.
    pub(crate) target: Option<Target>,
    /// How many tables its FROM is made of, beside that one; none where it is made of more.
    pub(crate) sources: Option<usize>,
    /// The same where none of them has its columns renamed.
    pub(crate) tables: Option<usize>,
    /// It has a GROUP BY.
    pub(crate) grouped: bool,
    /// Byte of an expression of GROUP BY that is no grouping set, for extension.
    pub(crate) group_location: Option<usize>,
    /// A lone `count(*)` without any other clause.
    pub(crate) bare_count: bool,
    /// Its FROM holds more than tables.
    pub(crate) derived: bool,
    /// It has a WHERE or a LIMIT: it need not scan its tables whole.
    pub(crate) selective: bool,
    /// The column of its one table in whose order it wants the first rows, or whose ends.
    pub(crate) ordered: Option<Vec<String>>,
    /// What its WHERE and ON look for.
    pub(crate) sought: Vec<Sought>,
    /// What its WHERE and ON ask of columns alone: each holds of every row that it uses, unless a join
    /// is an outer one.
    pub(crate) tests: Vec<Test>,
    /// They ask more than that.
    pub(crate) asks_more: bool,
    /// It has a LEFT, RIGHT or FULL JOIN.
    pub(crate) outer: bool,
}

/// A call in a condition, or in what stands under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Called {
    /// Index into [`Facts::calls`].
    pub(crate) call: usize,
    /// The condition is about columns too.
    pub(crate) columns: bool,
}

/// Whose conditions the planner may push into a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Under {
    /// Nobody's: the statement itself, or a subquery in an expression.
    #[default]
    Nothing,
    /// It is a subquery in the FROM of that block.
    From(usize),
    /// It is a CTE: any block may read it.
    With,
}

impl Facts {
    /// That block, and those around it whose FROM it stands in, outwards.
    pub(crate) fn outwards(&self, block: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(block), |at| match self.blocks.get(*at)?.under {
            // a block stands under an earlier one, so this ends
            Under::From(outer) if outer < *at => Some(outer),
            _ => None,
        })
    }

    /// Whether a locking clause means the rows of that reference: it names it, or names nothing and
    /// stands over it, also over a subquery in FROM that holds it.
    pub(crate) fn locks(&self, reference: &TableRef) -> bool {
        let over = |l: &Locking| match l.of.is_empty() {
            true => self.outwards(reference.block).any(|at| at == l.block),
            false => l.block == reference.block && l.of.iter().any(|of| of == reference.label()),
        };
        self.lockings.iter().any(over)
    }

    /// The blocks whose conditions may be evaluated below the merge in a block: its own, and those that
    /// they can be pushed in from.
    pub(crate) fn around(&self, block: usize) -> impl Iterator<Item = usize> {
        let outwards = || self.outwards(block);
        let under = |at: usize| self.blocks.get(at).map(|b| b.under);
        let with = outwards().any(|at| under(at) == Some(Under::With));
        outwards().chain((0..self.blocks.len()).filter(move |_| with))
    }
}

/// A locking clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locking {
    /// Index into [`Facts::blocks`].
    pub(crate) block: usize,
    /// Tables named after OF.
    pub(crate) of: Vec<String>,
    pub(crate) wait: Wait,
    /// What PostgreSQL calls a SELECT with this clause.
    pub(crate) command: &'static str,
}

/// The FROM of a query that has an outer join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    /// Index into [`Facts::blocks`].
    pub(crate) block: usize,
    pub(crate) from: Vec<Join>,
    /// Columns that are no NULL where its WHERE is true.
    pub(crate) sure: Vec<Vec<String>>,
}

/// An item of such a FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Join {
    /// Byte of a table's name.
    Table(usize),
    /// A subquery: its name, and the bytes of the tables under it.
    Query(String, Vec<usize>),
    Pair(Box<Pair>),
    /// What has no rows to lock.
    Rest,
}

/// A join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) left: Join,
    pub(crate) right: Join,
    /// The sides that may be missing.
    pub(crate) missing: Vec<Side>,
    /// Columns that are no NULL where its condition is true.
    pub(crate) sure: Vec<Vec<String>>,
}

impl Pair {
    pub(crate) fn side(&self, side: Side) -> &Join {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

/// A side of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The query of a cursor, as far as `WHERE CURRENT OF` can come to its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// What it gives, column by column: the parts of a column reference, nothing for what is none.
    pub(crate) items: Vec<Vec<String>>,
    /// Each of its rows is one of its tables', not one of a group or of a set.
    pub(crate) rows: bool,
}

/// What a locking clause does where a row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Block,
    /// NOWAIT.
    Error,
    /// SKIP LOCKED.
    Skip,
}

/// A statement that changes rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Insert(Box<InsertStmt>),
    Update(Box<UpdateStmt>),
    Delete(Box<DeleteStmt>),
    Merge(Box<MergeStmt>),
}

/// A change under the WITH of the outermost statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) change: Change,
    /// Byte where the name of its CTE starts.
    pub(crate) name: usize,
    /// Its own block: index into [`Facts::blocks`].
    pub(crate) block: usize,
}

/// A CTE's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cte {
    pub(crate) name: String,
    /// Byte where it stands.
    pub(crate) location: usize,
    /// The columns that it gives, where its text says that.
    pub(crate) columns: Option<Vec<String>>,
}

/// A CTE in a FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CteUse {
    pub(crate) block: usize,
    /// Index into [`Facts::ctes`].
    pub(crate) cte: usize,
    /// Names that its first columns get.
    pub(crate) renamed: Vec<String>,
}

/// Everything found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// The cursor that it declares.
    pub(crate) declares: Option<String>,
    pub(crate) relations: Vec<TableRef>,
    pub(crate) calls: Vec<Call>,
    pub(crate) operators: Vec<String>,
    pub(crate) columns: Vec<ColumnUse>,
    /// Bytes where a column reference starts that is a whole argument of a function or a cast, or a whole
    /// item of an array, a row or COALESCE.
    pub(crate) arguments: Vec<usize>,
    /// Bytes where a `t.*` starts that stands for the columns one by one: it is a whole item of a select
    /// list, of a row or of VALUES. Elsewhere it is the row.
    pub(crate) spread: Vec<usize>,
    pub(crate) blocks: Vec<Block>,
    /// The block of an INSERT, UPDATE or DELETE itself.
    pub(crate) own_block: Option<usize>,
    /// Names behind a dot after an expression, `(row).name`: a field, or a function in disguise.
    pub(crate) fields: Vec<String>,
    /// What the items of all FROMs are called: tables, CTEs, subqueries, calls and joins with an alias.
    pub(crate) labels: Vec<String>,
    /// Every relation name the grammar sees, CTEs and targets included (for the second opinion).
    pub(crate) names: Vec<String>,
    /// Locking clauses (`FOR UPDATE` and its kin).
    pub(crate) locking: usize,
    /// The same, one by one.
    pub(crate) lockings: Vec<Locking>,
    /// Each FROM that has an outer join.
    pub(crate) joined: Vec<Joined>,
    /// ONLY was written before the target of a change.
    pub(crate) only_target: bool,
    /// Bytes where `merge_action()` stands.
    pub(crate) merge_actions: Vec<usize>,
    /// Changes under WITH, in the order of the text.
    pub(crate) parts: Vec<Part>,
    /// A change under a WITH that is not the outermost: PostgreSQL refuses it; byte of its name.
    pub(crate) misplaced: Option<usize>,
    /// All CTEs, at all levels.
    pub(crate) ctes: Vec<Cte>,
    pub(crate) cte_uses: Vec<CteUse>,
    /// DECLARE CURSOR.
    pub(crate) cursor: Option<Cursor>,
    /// SELECT … INTO.
    pub(crate) into: bool,
    /// Highest `$n`.
    pub(crate) parameters: i32,
    /// Bytes of constants that nothing here looks at, whatever their value: operands, list items,
    /// values. What is not among them (arguments of functions, places in a select list, type
    /// modifiers) may decide something.
    pub(crate) constants: Vec<usize>,
    /// Those among them in whose place a parameter means the same: compared with a column in a WHERE or
    /// an ON, inserted, assigned.
    pub(crate) bindable: Vec<usize>,
}

/// A tree node that is not on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// What it is, in PostgreSQL's words.
    pub(crate) what: String,
}
