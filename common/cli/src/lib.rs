//! What all programs share towards the person.
