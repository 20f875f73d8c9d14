//! One client connection's life, from accepted socket to goodbye: the data plane.
//!
//! Must not know how drafts are stored, committed or reviewed: it asks through [`ControlPlane`].

mod api;

pub use api::*;
