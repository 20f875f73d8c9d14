//! Tests against a throwaway PostgreSQL.
#![allow(
    clippy::too_many_lines,
    reason = "a scenario is read from top to bottom"
)]

mod agent;
mod catalog;
mod cluster;
mod commit;
mod drafting;
mod drift;
mod giving_way;
mod install;
mod life;
mod sequences;
mod truncate;
