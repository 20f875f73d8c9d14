//! The schema `pgdraft` of the upstream database: its migrations, and the only place that names
//! its tables or reads PostgreSQL's catalog.
//!
//! It decides nothing: what a draft means is `draft`'s and `control`'s to say.
//!
//! Start at [`install()`], [`load_catalog`] and [`sessions`].

pub mod before;
mod error;
mod exposed;
pub mod history;
mod install;
pub mod keeper;
mod kept;
pub mod keys;
mod load;
mod mark;
pub mod parts;
pub mod peers;
pub mod reads;
mod roles;
mod secret;
pub mod sequences;
pub mod sessions;
pub mod space;
pub mod statements;
pub mod tables;
mod uninstall;

pub use error::{Error, database_report};
pub use exposed::exposed_tables;
pub use install::{InstallOptions, InstallReport, Status, VERSION, install, status};
pub use kept::KEEP;
pub use load::{load_catalog, load_heads};
pub use mark::{catalog_mark, prepared_mark};
pub use roles::Roles;
pub use secret::Secret;
pub use tables::{shape, short_hash};
pub use uninstall::{UninstallOptions, uninstall};
