//! Tables with unique values that are used again, and children that go from parent to parent: what
//! can be committed in some orders only, and in another one for each table.

use crate::random::Random;

/// Keys and values are below.
const VALUES: u64 = 8;

const ACTIONS: [&str; 4] = ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"];

/// Makes the tables and their rows.
pub(super) fn setup(random: &mut Random) -> String {
    let mut action = || ACTIONS[random.below(4) as usize];
    let (below, lowest, mut last) = (action(), action(), action());
    // which of two chains has the last word over a row that both reach differs in a draft
    if (below, lowest) == ("CASCADE", "CASCADE") && last != "SET NULL" {
        last = "CASCADE";
    }
    format!(
        "CREATE TABLE freed (id int PRIMARY KEY, u int UNIQUE);
CREATE TABLE above (id int PRIMARY KEY, u int UNIQUE, v int);
CREATE TABLE below (id int PRIMARY KEY, above int REFERENCES above ON DELETE {below} ON UPDATE CASCADE, u int UNIQUE);
CREATE TABLE lowest (id int PRIMARY KEY, below int REFERENCES below ON DELETE {lowest}, u int REFERENCES above (u) ON DELETE {last} ON UPDATE CASCADE);
INSERT INTO freed SELECT n, n FROM generate_series(1, 5) n;
INSERT INTO above SELECT n, n, n FROM generate_series(1, 5) n;
INSERT INTO below SELECT n, n, n FROM generate_series(1, 5) n;
INSERT INTO lowest SELECT n, n, n FROM generate_series(1, 5) n;
"
    )
}

/// A change of one row.
pub(super) fn change(random: &mut Random) -> String {
    let mut value = || 1 + random.below(VALUES);
    let (a, b, c) = (value(), value(), value());
    let table = ["freed", "above", "below", "lowest"][random.below(4) as usize];
    let columns: &[&str] = match table {
        "freed" => &["u"],
        "above" => &["u", "v", "id"],
        "below" => &["above", "above", "u"],
        _ => &["below", "u"],
    };
    let column = columns[random.below(columns.len() as u64) as usize];
    match (random.below(3), table) {
        (0, _) => format!("DELETE FROM {table} WHERE id = {a}"),
        (1, "freed") => format!("INSERT INTO freed VALUES ({a}, {b})"),
        (1, _) => format!("INSERT INTO {table} VALUES ({a}, {b}, {c})"),
        _ => format!("UPDATE {table} SET {column} = {b} WHERE id = {a}"),
    }
}
