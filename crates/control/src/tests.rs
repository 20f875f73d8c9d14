//! Tests against a throwaway PostgreSQL.

mod agent;
mod catalog;
mod cluster;
mod drafting;
mod install;
