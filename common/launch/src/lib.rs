//! The container launcher.
