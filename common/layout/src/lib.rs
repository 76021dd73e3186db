//! What exists, as recorded: one folder per generation.
