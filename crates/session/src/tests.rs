//! The data plane over real sockets, between a client and a throwaway PostgreSQL.

mod draft;
mod facts;
mod hostile;
mod life;
mod pooling;
mod traces;
