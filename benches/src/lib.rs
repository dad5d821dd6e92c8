//! residua.
