//! Rules of production's tables: what DO ALSO adds comes with the commit, DO INSTEAD is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::{Proxy, over};

/// Two schemas with the same tables: one for the agent, one for who does the same directly.
const TWICE: &str = "\
DO $$
DECLARE s text;
BEGIN
  FOREACH s IN ARRAY ARRAY['drafted', 'direct'] LOOP
    EXECUTE format('CREATE SCHEMA %I', s);
    PERFORM set_config('search_path', s, true);
    CREATE TABLE goods (id int PRIMARY KEY, name text NOT NULL UNIQUE, price numeric DEFAULT 1, parent int REFERENCES goods);
    CREATE TABLE heard (what text, id int, old text, new text);
    CREATE TABLE lines (good int, amount int);
    CREATE RULE came AS ON INSERT TO goods DO ALSO INSERT INTO heard VALUES ('came', new.id, NULL, new.name || ' ' || new.price);
    CREATE RULE changed AS ON UPDATE TO goods WHERE old.price IS DISTINCT FROM new.price
      DO ALSO INSERT INTO heard VALUES ('price', old.id, old.price::text, new.price::text);
    CREATE RULE went AS ON DELETE TO goods DO ALSO INSERT INTO heard VALUES ('went', old.id, old.name, NULL);
    CREATE RULE counted AS ON INSERT TO lines DO ALSO UPDATE goods SET price = price + 1 WHERE id = new.good;
    CREATE RULE gone AS ON DELETE TO lines DO ALSO INSERT INTO heard VALUES ('line', old.good, old.amount::text, NULL);
    INSERT INTO goods SELECT i, 'good ' || i FROM generate_series(1, 10) i;
    INSERT INTO lines SELECT i, i FROM generate_series(1, 3) i;
    DELETE FROM heard;
  END LOOP;
END $$;
";

const ALL: &str = "SELECT coalesce((SELECT string_agg(g::text, ' ' ORDER BY id) FROM goods g) || ' / ' || (SELECT string_agg(h::text, ' ' ORDER BY h::text) FROM heard h), 'none') || ' / ' || (SELECT count(*) FROM lines)";

/// The statements in a draft of one schema, each an operation, and directly in the other, which are the same
/// at the end.
fn both(statements: &[&str], end: impl FnOnce(&mut Proxy)) {
    let (database, mut proxy) = over(TWICE);
    let mut direct = database.connect();
    direct.run("SET search_path TO direct");
    let before = direct.value(ALL);
    let mut agent = proxy.connect("s");
    agent.run("SET search_path TO drafted");
    for (number, statement) in statements.iter().enumerate() {
        agent.run(&format!("SET pgdraft.operation = 'o{number}'"));
        agent.run(statement);
        direct.run(statement);
    }
    assert_eq!(agent.value("SELECT count(*) FROM heard"), "0");
    let mut owner = database.connect();
    owner.run("SET search_path TO drafted");
    assert_eq!(owner.value(ALL), before);
    end(&mut proxy);
    assert_eq!(owner.value(ALL), direct.value(ALL));
    proxy.assert_sound();
}

const STATEMENTS: [&str; 6] = [
    "INSERT INTO goods VALUES (11, 'eleven', 5, 1), (12, 'twelve', 7, 11)",
    "UPDATE goods SET price = price * 2 WHERE id < 4",
    "UPDATE goods SET name = 'four' WHERE id = 4",
    "DELETE FROM goods WHERE id IN (5, 6) RETURNING *",
    "INSERT INTO goods SELECT 20 + i, 'more ' || i FROM generate_series(1, 3) i RETURNING *",
    "INSERT INTO lines VALUES (7, 1), (8, 2)",
];

#[test]
fn what_rules_add_comes_with_the_commit() {
    both(&STATEMENTS, |proxy| {
        let shown = proxy.review("REHEARSE SESSION 's'").table();
        let heard = shown
            .iter()
            .filter(|line| line.starts_with("side effect|drafted.heard|"));
        // five that came, three prices of the agent and two of the lines, two that went
        assert_eq!(heard.count(), 12, "{shown:#?}");
        proxy.review("COMMIT SESSION 's'");
    });
}

#[test]
fn what_rules_add_comes_with_each_operation() {
    both(&STATEMENTS, |proxy| {
        for number in [3, 0, 5, 2, 4, 1] {
            proxy.review(&format!("COMMIT OPERATIONS 'o{number}' IN SESSION 's'"));
        }
    });
}

/// Rows that wait for one another's values are written by and by; a rule hears of each of them once.
#[test]
fn rules_hear_of_rows_that_wait_for_others() {
    let (database, mut proxy) = over(TWICE);
    let mut agent = proxy.connect("s");
    agent.run("SET search_path TO drafted");
    agent.run("SET pgdraft.operation = 'one'");
    agent.run("BEGIN; UPDATE goods SET name = 'was 1' WHERE id = 1; UPDATE goods SET name = 'good 1' WHERE id = 2; INSERT INTO goods VALUES (30, 'good 2', 2, 1), (31, 'was 30', 3, 30); UPDATE goods SET parent = 30 WHERE id = 2; DELETE FROM goods WHERE id = 3; UPDATE goods SET name = 'good 3', price = 9 WHERE id = 1; INSERT INTO goods VALUES (32, 'was 1', 4, 2); UPDATE goods SET name = 'five' WHERE id = 4; UPDATE goods SET name = 'good 4' WHERE id = 5; UPDATE goods SET name = 'good 5' WHERE id = 4; COMMIT");
    proxy.review("COMMIT SESSION 's'");
    let mut owner = database.connect();
    owner.run("SET search_path TO drafted");
    assert_eq!(
        owner.value(
            "SELECT string_agg(concat_ws(' ', what, id, new), ', ' ORDER BY what, id) FROM heard"
        ),
        "came 30 good 2 2, came 31 was 30 3, came 32 was 1 4, price 1 9, went 3"
    );
    assert_eq!(
        owner.value("SELECT string_agg(concat_ws(' ', id, name, parent), ', ' ORDER BY id) FROM goods WHERE id < 4 OR id > 29"),
        "1 good 3, 2 good 1 30, 30 good 2 1, 31 was 30 30, 32 was 1 2"
    );
    proxy.assert_sound();
}

/// A table without a key: truncated rows go one by one at the commit, as production's triggers see them go.
#[test]
fn rules_of_a_table_without_a_key() {
    let (database, mut proxy) = over(TWICE);
    let mut agent = proxy.connect("s");
    agent.run("SET search_path TO drafted");
    agent.run("TRUNCATE lines");
    agent.run("INSERT INTO lines VALUES (1, 10), (1, 10)");
    proxy.review("COMMIT SESSION 's'");
    let mut owner = database.connect();
    owner.run("SET search_path TO drafted");
    assert_eq!(
        owner.value("SELECT string_agg(l::text, ' ') FROM lines l"),
        "(1,10) (1,10)"
    );
    assert_eq!(
        owner.value("SELECT count(*) FROM heard WHERE what = 'line'"),
        "3"
    );
    proxy.assert_sound();
}

#[test]
fn a_rule_that_came_since_acts_at_the_commit() {
    let (database, mut proxy) = over(TWICE);
    let mut owner = database.connect();
    owner.run("SET search_path TO drafted");
    owner.run("CREATE TABLE later (id int PRIMARY KEY, n int); INSERT INTO later SELECT i, i FROM generate_series(1, 4) i");
    let mut agent = proxy.connect("s");
    agent.run("UPDATE drafted.later SET n = 10 WHERE id = 1");
    agent.run("DELETE FROM drafted.later WHERE id = 2");
    agent.run("INSERT INTO drafted.later VALUES (5, 5)");
    owner.run("CREATE RULE r1 AS ON UPDATE TO later DO ALSO INSERT INTO heard VALUES ('u', old.id); CREATE RULE r2 AS ON DELETE TO later DO ALSO INSERT INTO heard VALUES ('d', old.id); CREATE RULE r3 AS ON INSERT TO later DO ALSO INSERT INTO heard VALUES ('i', new.id)");
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        owner.value("SELECT string_agg(what || id, ' ' ORDER BY what) FROM heard"),
        "d2 i5 u1"
    );
    proxy.review("REVERT SESSION 's' AS 'back'");
    proxy.review("COMMIT SESSION 'back'");
    assert_eq!(
        owner.value("SELECT string_agg(l::text, ' ' ORDER BY id) FROM later l"),
        "(1,1) (2,2) (3,3) (4,4)"
    );
    assert_eq!(owner.value("SELECT count(*) FROM heard"), "6");
    proxy.assert_sound();
}

const KEPT: &str = "\
CREATE TABLE kept (id int PRIMARY KEY, name text, gone boolean DEFAULT false);
CREATE RULE kept AS ON DELETE TO kept DO INSTEAD UPDATE kept SET gone = true WHERE id = old.id;
CREATE TABLE poured (id int PRIMARY KEY);
CREATE TABLE elsewhere (id int PRIMARY KEY);
CREATE TABLE tree (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
CREATE TABLE leaf PARTITION OF tree FOR VALUES IN (1);
CREATE RULE heard AS ON INSERT TO tree DO ALSO INSERT INTO elsewhere VALUES (new.id);
INSERT INTO kept VALUES (1, 'one'), (2, 'two');
INSERT INTO poured VALUES (1);
";

#[test]
fn commands_that_a_rule_replaces_are_refused() {
    let (database, mut proxy) = over(KEPT);
    let mut agent = proxy.connect("s");
    for statement in [
        "DELETE FROM kept WHERE id = 1",
        "TRUNCATE kept",
        "INSERT INTO tree VALUES (1, 1)",
    ] {
        assert_eq!(agent.fail(statement).code(), "0A000", "{statement}");
    }
    agent.run("UPDATE kept SET name = 'changed' WHERE id = 1");
    agent.run("INSERT INTO kept VALUES (3, 'three')");
    agent.run("INSERT INTO poured VALUES (5)");
    let mut owner = database.connect();
    owner.run("CREATE RULE poured AS ON INSERT TO poured DO INSTEAD INSERT INTO elsewhere VALUES (new.id)");
    let shown = proxy.review("REHEARSE SESSION 's'").table();
    assert_eq!(
        shown,
        [
            "error|public.poured|∅|∅|∅|0A000: a rule of table \"poured\" does something else instead of INSERT"
        ]
    );
    let failure = proxy.connect_reviewer().fail("COMMIT SESSION 's'");
    assert_eq!(failure.code(), "0A000", "{failure:?}");
    assert_eq!(owner.value("SELECT count(*) FROM elsewhere"), "0");
    assert_eq!(
        owner.value("SELECT string_agg(k::text, ' ' ORDER BY id) FROM kept k"),
        "(1,one,f) (2,two,f)"
    );
    owner.run("ALTER TABLE poured DISABLE RULE poured");
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        owner.value("SELECT string_agg(k::text, ' ' ORDER BY id) FROM kept k"),
        "(1,changed,f) (2,two,f) (3,three,f)"
    );
    assert_eq!(owner.value("SELECT max(id) FROM poured"), "5");
    proxy.assert_sound();
}
