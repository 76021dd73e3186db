//! `dockless NAME …` starts the program NAME, as `git` does.
fn main() {}
