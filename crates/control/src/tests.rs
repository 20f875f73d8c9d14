//! Tests against a throwaway PostgreSQL.

mod cluster;
mod install;
