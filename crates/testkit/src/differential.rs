//! The same script on plain PostgreSQL and in a draft: both must say the same.
//!
//! A case ([`Case`]) is run in four ways ([`Mode`]). After each the base must be what it was;
//! after DISCARD SESSION too, and after COMMIT SESSION it must be what the plain copy is.
//!
//! Compared for each statement: rows, column names, type oids, typmods, formats, parameter types,
//! command tag, or every field of the error a client can act on (SQLSTATE, message, detail, hint,
//! position, schema, table, column, type, constraint), notices, and the transaction status.
//! Both databases are copies of one template, so oids are equal and are compared as they are.

mod case;
mod check;
mod compare;
mod contents;
mod lane;
mod refusals;
mod split;

pub use case::{Case, Errors, Expect, Order, Step};
pub use check::{cases, check};
pub use compare::differences;
pub use lane::{Lane, Mode, Outcome};
pub use refusals::told as refusals;
pub use split::split;
