//! Tests against a throwaway PostgreSQL.

mod catalog;
mod cluster;
mod install;
