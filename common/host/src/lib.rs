//! An opened host: its stores, and lookups by name across them.
