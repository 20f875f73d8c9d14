//! Generated workloads: random statements on a small schema, repeatable by their seed.
