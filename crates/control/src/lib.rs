//! The control plane: sessions, drafting tables, diff, commit and discard.

#[cfg(test)]
mod tests;
