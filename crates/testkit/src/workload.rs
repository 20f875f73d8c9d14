//! Generated workloads: a random schema and random statements on it, repeatable by their seed.
//!
//! Values come from small pools, so that statements meet rows of the base, rows of the draft and
//! rows that are gone. Statements whose outcome PostgreSQL leaves open (several source rows for one
//! target, transient unique violations, LIMIT without a total order) are not made.

mod change;
mod expression;
mod linked;
mod maker;
mod merge;
mod production;
mod query;
mod schema;
pub mod smith;
mod value;

use crate::differential::Case;
use crate::random::Random;
use maker::{Flavour, Maker};
use schema::Limits;

/// Makes a workload of about `length` statements.
pub fn workload(seed: u64, length: usize) -> Case {
    let mut random = Random::new(seed);
    let flavour = Flavour {
        sessions: random.percent(25),
        production: random.percent(30),
    };
    let limits = Limits {
        sequences: !flavour.sessions && !flavour.production,
        int_keys: flavour.production,
    };
    let schema = schema::schema(&mut random, limits);
    let mut maker = Maker::new(&mut random, &schema, flavour);
    maker.run(length);
    let steps = maker.steps;
    Case {
        as_writer: false,
        name: format!("random_{seed}"),
        needs: 15,
        config: String::new(),
        setup: schema.setup,
        steps,
    }
}

/// Several agents' work on one schema, to be cut into operations.
#[derive(Debug)]
pub struct History {
    /// Makes the schema and its rows.
    pub setup: String,
    /// The changes of each of them.
    pub streams: Vec<Vec<String>>,
}

/// Makes `streams` lists of `length` changes of one random schema.
pub fn history(seed: u64, streams: usize, length: usize) -> History {
    let mut random = Random::new(seed);
    let limits = Limits {
        sequences: false,
        int_keys: false,
    };
    let mut schema = schema::schema(&mut random, limits);
    let mut streams: Vec<Vec<String>> = (0..streams)
        .map(|_| stream(&mut random, &schema, length))
        .collect();
    // whatever is done with a history is done with such tables too
    if (seed / 8) % 2 == 1 {
        schema.setup.push_str(&linked::setup(&mut random));
        for text in streams.iter_mut().flatten() {
            if random.percent(70) {
                *text = linked::change(&mut random);
            }
        }
    }
    History {
        setup: schema.setup,
        streams,
    }
}

fn stream(random: &mut Random, schema: &schema::Schema, length: usize) -> Vec<String> {
    let flavour = Flavour {
        sessions: false,
        production: false,
    };
    let mut maker = Maker::new(random, schema, flavour);
    let mut made = Vec::new();
    while made.len() < length {
        maker.parameters_allowed = false;
        maker.change();
        let is_change = |text: &String| !text.starts_with("SELECT") && !text.starts_with("COPY");
        made.extend(maker.steps.drain(..).map(|s| s.text).filter(is_change));
    }
    made
}
