//! The client's prepared statements and cursors as it knows them, and what it is doing, for
//! `pg_prepared_statements`, `pg_cursors` and `pg_stat_activity`: the server has other names and texts.

use std::sync::Arc;

use catalog::array_text;
use tokio::io::AsyncWrite;

use crate::own::OwnStatement;
use crate::planner::Piece;
use crate::request::Requests;

/// Texts of cursors remembered; those of more are shown as the server has them.
const CURSORS_MAX: usize = 200;

/// Makes them known to the statement that reads them. Parameter types are the server's where it has the
/// statement, and else those that the client gave.
static TEXTS: OwnStatement = OwnStatement {
    name: "pgdraft_texts",
    text: "SELECT pg_catalog.set_config('pgdraft.statements', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(\
           'name', c.n, 'upstream', c.u, 'statement', c.t, 'from_sql', c.f)), '[]')::pg_catalog.text \
           FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) \
           AS c (n, u, t, f)), false), \
           pg_catalog.set_config('pgdraft.cursors', (SELECT coalesce(pg_catalog.jsonb_object_agg(c.n, c.t), '{}')::pg_catalog.text \
           FROM ROWS FROM (pg_catalog.unnest($5), pg_catalog.unnest($6)) AS c (n, t)), false), \
           pg_catalog.set_config('pgdraft.query', $7, false)",
    types: &[1009, 1009, 1009, 1000, 1009, 1009, 25],
};

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// Remembers the text of a cursor that is about to be declared.
    pub(crate) fn note_cursor(&mut self, piece: &Piece) {
        let Some(name) = piece.parsed.as_ref().and_then(|s| s.declares()) else {
            return;
        };
        if self.cursors.len() >= CURSORS_MAX {
            self.cursors.clear();
        }
        self.cursors
            .insert(name.to_owned(), Arc::clone(&piece.text));
    }

    /// Before a statement that reads them, in its flight.
    pub(crate) fn show_texts(&mut self, piece: &Piece) {
        if !piece.parsed.as_ref().is_some_and(|s| s.shows_texts()) {
            return;
        }
        let known: Vec<[String; 4]> = {
            let lane = self.conn.lane();
            let named = lane.statements.iter().filter(|(name, _)| !name.is_empty());
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            named
                .map(|(name, prepared)| {
                    let by_sql = prepared.made_by.is_some();
                    [
                        text(name),
                        text(&prepared.name),
                        prepared.text().to_owned(),
                        by_sql.to_string(),
                    ]
                })
                .collect()
        };
        let column = |column: usize| {
            let values = known.iter().filter_map(|row| row.get(column));
            array_text(&values.map(String::as_str).collect::<Vec<_>>())
        };
        let mut columns: Vec<String> = (0..4).map(column).collect();
        let (names, texts): (Vec<&str>, Vec<&str>) = self
            .cursors
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_ref()))
            .unzip();
        columns.extend([
            array_text(&names),
            array_text(&texts),
            piece.text.to_string(),
        ]);
        let params: Vec<Option<&str>> = columns.iter().map(|c| Some(c.as_str())).collect();
        self.run_own(&TEXTS, &params, false, (None, Vec::new()));
    }
}
