//! What policies ask of the rows that a change finds and makes.

use catalog::{Command, Condition};
use pg_query::protobuf::OnConflictClause;
use report::Report;

use crate::classify::unsupported;
use crate::facts::ColumnUse;
use crate::policies::{self, Checked};
use crate::rewrite::work::Work;

impl Work<'_> {
    /// The change reads columns of its target, so that the policies for SELECT count as well.
    pub(crate) fn reads_target(&self, conflict: Option<&OnConflictClause>) -> bool {
        let bytes = self.bytes(self.place.tokens.clone()).unwrap_or_default();
        let shown = self.changed.shown();
        let own = |column: &ColumnUse| match column.fields.as_slice() {
            [name] => name == "*" || *name == self.changed.label || shown.column(name).is_some(),
            fields => self.changed.names(fields),
        };
        conflict.is_some_and(|c| c.infer.is_some())
            || self.is_positioned()
            || self
                .columns_in(bytes)
                .any(|c| !self.is_inserted(c) && own(c))
    }

    /// The same for the values of its writable columns by their places.
    pub(crate) fn new_images(
        &self,
        command: Command,
        reads: bool,
        image: impl Fn(usize) -> String,
    ) -> Vec<String> {
        let (changed, writable) = (&self.changed, self.changed.writable());
        self.new_row(command, reads, |name| {
            let place = writable.iter().position(|c| c.name == name);
            let declared = changed.relation.column(name).map(|c| c.declared.as_str());
            // no policy of a table that is drafted reads a generated column
            let nothing = || format!("CAST(NULL AS {})", declared.unwrap_or("pg_catalog.text"));
            place.map_or_else(nothing, &image)
        })
    }

    /// Rows that the policies for SELECT hide are found by a change that reads no column of its table; what
    /// is read of production does not show them.
    pub(crate) fn finds_all(&self, reads: bool) -> Result<(), Box<Report>> {
        let relation = &self.changed.relation;
        let select = relation.using(Command::Select);
        let open = select.iter().all(|c| c.text == "true");
        if reads || open || policies::is_read_alike(relation, self.changed.command) {
            return Ok(());
        }
        Err(Box::new(
            unsupported(&format!(
                "a change of \"{}\" that reads none of its columns, where the policies hide rows from SELECT alone,",
                relation.name
            ))
            .hint("name a column in WHERE, for example: WHERE id IS NOT NULL"),
        ))
    }

    /// What raises where the new row, with `value` for its columns, is not one that the policies take;
    /// empty where nothing is asked.
    pub(crate) fn new_row(
        &self,
        command: Command,
        reads: bool,
        value: impl Fn(&str) -> String,
    ) -> Vec<String> {
        let relation = &self.changed.relation;
        policies::checks(
            relation,
            &policies::of_new(relation, command, reads),
            Checked::New,
            value,
        )
    }

    /// What raises where the row `o0, o1, …` that ON CONFLICT met may not be changed.
    pub(crate) fn met_row(&self) -> Vec<String> {
        self.old_row(&policies::of_met(&self.changed.relation), Checked::Met)
    }

    /// What raises where the row `o0, o1, …` that MERGE found may not be changed so.
    pub(crate) fn target_row(&self, command: Command) -> Vec<String> {
        self.old_row(&self.changed.relation.using(command), Checked::Target)
    }

    fn old_row(&self, conditions: &[Condition], checked: Checked) -> Vec<String> {
        let (relation, writable) = (&self.changed.relation, self.changed.writable());
        policies::checks(relation, conditions, checked, |name| {
            let place = writable.iter().position(|c| c.name == name);
            place.map_or_else(|| "NULL".to_owned(), |i| format!("o{i}"))
        })
    }
}
