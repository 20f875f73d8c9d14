//! Generated workloads: random statements on a small schema, repeatable by their seed.
//!
//! Keys and unique values come from small ranges, so that statements meet rows of the base, rows
//! of the draft and rows that are gone. Statements whose outcome PostgreSQL leaves open (several
//! source rows for one target, transient unique violations) are not made.

use crate::differential::{Case, Expect, Step};
use crate::random::Random;

const SETUP: &str = "\
CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE, city text,
  credit numeric(8,2) NOT NULL DEFAULT 0 CHECK (credit >= 0));
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE,
  status text NOT NULL DEFAULT 'new', total int, CONSTRAINT total_known CHECK (status = 'new' OR total IS NOT NULL));
CREATE INDEX orders_customer ON orders (customer_id);
CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE, n int, product text NOT NULL,
  quantity int NOT NULL CHECK (quantity BETWEEN 1 AND 99), PRIMARY KEY (order_id, n));
CREATE TABLE notes (id serial PRIMARY KEY, customer_id int REFERENCES customers ON DELETE SET NULL,
  body varchar(12), UNIQUE (customer_id, body));
INSERT INTO customers SELECT n, 'mail' || n, (ARRAY['Bonn', 'Ulm', NULL])[1 + n % 3], n * 10 FROM generate_series(1, 15) n;
INSERT INTO orders SELECT n, 1 + n * 7 % 15, (ARRAY['new', 'paid', 'sent'])[1 + n % 3], n * 5 FROM generate_series(1, 25) n;
INSERT INTO lines SELECT o, n, 'p' || (o + n) % 6, 1 + (o * n) % 20 FROM generate_series(1, 25) o, generate_series(1, 2) n;
INSERT INTO notes (customer_id, body) SELECT n, 'note ' || n FROM generate_series(1, 10) n;
";

/// Makes a workload of about `length` statements.
pub fn workload(seed: u64, length: usize) -> Case {
    let mut maker = Maker {
        random: Random::new(seed),
        statements: Vec::new(),
        savepoints: None,
    };
    while maker.statements.len() < length {
        maker.step();
    }
    if maker.savepoints.is_some() {
        let end = if maker.random.percent(70) {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        maker.say(end.to_owned());
    }
    for table in ["customers", "orders", "lines", "notes"] {
        maker.say(format!("SELECT * FROM {table} ORDER BY 1, 2"));
    }
    let steps = maker
        .statements
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let mut step = Step::new(n + 1, text);
            step.expect = Expect::Any;
            // Which of several broken constraints is told may depend on the order of rows.
            step.class_only = true;
            step
        })
        .collect();
    Case {
        name: format!("random_{seed}"),
        setup: SETUP.to_owned(),
        steps,
    }
}

struct Maker {
    random: Random,
    statements: Vec<String>,
    /// Names of open savepoints; `None` outside a transaction.
    savepoints: Option<Vec<String>>,
}

impl Maker {
    fn say(&mut self, text: String) {
        self.statements.push(text);
    }

    fn id(&mut self, end: u64) -> u64 {
        1 + self.random.below(end)
    }

    fn city(&mut self) -> &'static str {
        const CITIES: [&str; 4] = ["'Bonn'", "'Ulm'", "'Köln'", "NULL"];
        CITIES[self.random.below(4) as usize]
    }

    fn email(&mut self) -> String {
        if self.random.percent(20) {
            "NULL".to_owned()
        } else {
            format!("'mail{}'", self.id(25))
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..30 => self.insert(),
            30..52 => self.update(),
            52..64 => self.delete(),
            64..86 => self.select(),
            _ => self.transaction(),
        }
    }

    fn transaction(&mut self) {
        let text = match self.savepoints.take() {
            None => {
                self.savepoints = Some(Vec::new());
                "BEGIN".to_owned()
            }
            Some(mut names) => match self.random.below(10) {
                0..2 => "COMMIT".to_owned(),
                2..4 => "ROLLBACK".to_owned(),
                4..7 => {
                    let name = format!("s{}", names.len());
                    names.push(name.clone());
                    self.savepoints = Some(names);
                    format!("SAVEPOINT {name}")
                }
                kind if names.is_empty() => {
                    if kind == 7 {
                        "ROLLBACK".to_owned()
                    } else {
                        "COMMIT".to_owned()
                    }
                }
                kind => {
                    let at = self.random.below(names.len() as u64) as usize;
                    let name = names[at].clone();
                    let back = kind < 9;
                    names.truncate(if back { at + 1 } else { at });
                    self.savepoints = Some(names);
                    if back {
                        format!("ROLLBACK TO {name}")
                    } else {
                        format!("RELEASE {name}")
                    }
                }
            },
        };
        self.say(text);
    }

    fn insert(&mut self) {
        let (id, customer, order) = (self.id(35), self.id(20), self.id(35));
        let (city, email) = (self.city(), self.email());
        let returning = *self
            .random
            .pick(&["", "", " RETURNING *", " RETURNING 1 AS one"]);
        let text = match self.random.below(9) {
            0 | 1 => format!(
                "INSERT INTO customers VALUES ({customer}, {email}, {city}, {id}.5){returning}"
            ),
            2 => {
                format!("INSERT INTO customers (id, email) VALUES ({customer}, {email}){returning}")
            }
            3 => format!(
                "INSERT INTO orders (id, customer_id, total) VALUES ({order}, {customer}, {id}){returning}"
            ),
            4 => {
                let first = 40 + self.random.below(10);
                format!(
                    "INSERT INTO orders VALUES ({first}, {customer}, 'new', NULL), ({}, NULL, 'paid', 3){returning}",
                    first + 20
                )
            }
            5 => format!(
                "INSERT INTO lines VALUES ({order}, {}, 'p{}', {}){returning}",
                self.random.below(4),
                id % 6,
                self.random.below(110)
            ),
            6 => format!(
                "INSERT INTO lines SELECT id, 9, 'bulk', 1 + id % 50 FROM orders WHERE customer_id = {customer}{returning}"
            ),
            7 => format!(
                "INSERT INTO notes (customer_id, body) VALUES ({customer}, 'note {}'){returning}",
                self.random.below(12)
            ),
            _ => format!(
                "INSERT INTO notes (customer_id, body) SELECT id, 'all' FROM customers WHERE city = {city} ORDER BY id{returning}"
            ),
        };
        self.say(text);
    }

    fn update(&mut self) {
        let (id, customer, order) = (self.id(25), self.id(20), self.id(35));
        let (city, email) = (self.city(), self.email());
        let returning = *self.random.pick(&["", "", " RETURNING *"]);
        let text = match self.random.below(12) {
            0 => format!("UPDATE customers SET city = {city} WHERE id = {customer}{returning}"),
            1 => format!("UPDATE customers SET email = {email} WHERE id = {customer}{returning}"),
            2 => format!(
                "UPDATE customers SET credit = credit - {id} WHERE city = {city}{returning}"
            ),
            3 => format!(
                "UPDATE customers SET id = {} WHERE id = {customer}{returning}",
                id + 5
            ),
            4 => format!(
                "UPDATE orders SET status = 'paid', total = coalesce(total, 0) + 1 WHERE customer_id = {customer}{returning}"
            ),
            5 => {
                format!("UPDATE orders SET customer_id = {customer} WHERE id = {order}{returning}")
            }
            6 => format!("UPDATE orders SET total = NULL WHERE id = {order}{returning}"),
            7 => format!(
                "UPDATE orders SET total = (SELECT sum(quantity)::int FROM lines WHERE order_id = orders.id) WHERE id < {order} AND status = 'new'{returning}"
            ),
            8 => format!(
                "UPDATE lines SET quantity = quantity + {} WHERE order_id = {order}{returning}",
                self.random.below(40)
            ),
            9 => format!(
                "UPDATE lines l SET product = l.product || o.status FROM orders o WHERE o.id = l.order_id AND o.customer_id = {customer}"
            ),
            10 => format!(
                "UPDATE lines SET n = {} WHERE order_id = {order} AND n = 1{returning}",
                id % 4
            ),
            _ => format!(
                "UPDATE notes SET customer_id = {customer} WHERE id = {}{returning}",
                id % 14
            ),
        };
        self.say(text);
    }

    fn delete(&mut self) {
        let (id, customer, order) = (self.id(25), self.id(20), self.id(35));
        let returning = *self.random.pick(&["", " RETURNING *"]);
        let text = match self.random.below(8) {
            0 => format!("DELETE FROM customers WHERE id = {customer}{returning}"),
            1 | 2 => format!("DELETE FROM orders WHERE id = {order}{returning}"),
            3 => format!("DELETE FROM lines WHERE order_id = {order}{returning}"),
            4 => format!("DELETE FROM lines WHERE quantity > {} AND n = 1", 10 + id),
            5 => format!(
                "DELETE FROM lines USING orders WHERE orders.id = order_id AND customer_id = {customer}"
            ),
            6 => format!(
                "DELETE FROM notes WHERE customer_id = {customer} OR id = {}",
                id % 14
            ),
            _ => format!(
                "DELETE FROM orders WHERE total > {} AND status = 'sent'",
                id * 5
            ),
        };
        self.say(text);
    }

    fn select(&mut self) {
        let (id, customer) = (self.id(35), self.id(20));
        let text = match self.random.below(12) {
            0 => format!("SELECT * FROM customers WHERE id = {customer}"),
            1 => "SELECT city, count(*), sum(credit) FROM customers GROUP BY city".to_owned(),
            2 => format!(
                "SELECT c.id, o.id, o.total FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id < {customer}"
            ),
            3 => "SELECT o.id, sum(l.quantity) FROM orders o JOIN lines l ON l.order_id = o.id GROUP BY o.id ORDER BY o.id".to_owned(),
            4 => format!("SELECT * FROM orders ORDER BY id DESC LIMIT {}", id % 7),
            5 => "SELECT id FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders WHERE customer_id = c.id)".to_owned(),
            6 => "SELECT product, count(*), max(quantity) FROM lines GROUP BY product HAVING count(*) > 2".to_owned(),
            7 => format!(
                "WITH big AS (SELECT order_id FROM lines WHERE quantity > {}) SELECT * FROM orders WHERE id IN (SELECT order_id FROM big)",
                id % 20
            ),
            8 => "SELECT id, email FROM customers UNION ALL SELECT customer_id, body FROM notes".to_owned(),
            9 => "SELECT count(*) FROM lines".to_owned(),
            10 => format!(
                "SELECT o.id, row_number() OVER (PARTITION BY customer_id ORDER BY id) FROM orders o WHERE id > {id}"
            ),
            _ => format!("SELECT email FROM customers WHERE email LIKE 'mail{}%'", id % 3),
        };
        self.say(text);
    }
}
