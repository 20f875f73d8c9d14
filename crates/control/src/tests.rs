//! Tests against a throwaway PostgreSQL.

mod agent;
mod catalog;
mod cluster;
mod commit;
mod drafting;
mod install;
mod life;
