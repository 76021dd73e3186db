//! System call filters: docker's JSON profiles compiled to the kernel's classic BPF, for this machine and its 32-bit half.
//!
//! [`profile`] reads the JSON and decides what holds for a container; [`assemble`] turns decisions into instructions. The
//! default is docker 29's own profile, kept as data (`data/seccomp.json`; moby profiles/seccomp/default.json, Apache-2.0).

mod assemble;
mod profile;

pub use profile::{Facts, ProfileError};

use crate::sys::Instruction;

/// Docker's default profile, in docker's JSON form.
pub const DEFAULT: &str = include_str!("../../data/seccomp.json");

/// Docker's default profile for a container with these facts.
pub fn default_filter(facts: &Facts) -> Vec<Instruction> {
    compile(DEFAULT, facts).expect("the profile that we ship is tested")
}

/// A profile in docker's JSON form, for a container with these facts.
pub fn compile(json: &str, facts: &Facts) -> Result<Vec<Instruction>, ProfileError> {
    let profile = profile::Profile::parse(json)?;
    Ok(assemble::assemble(&profile::decide(&profile, facts)?))
}

/// A profile in docker's JSON form as OCI runtimes take it: without conditions, of rules that hold for these facts.
pub fn plain(json: &str, facts: &Facts) -> Result<serde_json::Value, ProfileError> {
    profile::plain(json, facts)
}
