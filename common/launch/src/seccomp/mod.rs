//! System call filters: docker's JSON profiles compiled to the kernel's classic BPF, for this machine and its 32-bit half.
//!
//! [`profile`] reads the JSON and decides what holds for a container; [`assemble`] turns decisions into instructions. The
//! default is docker 29's own profile, kept as data (`data/seccomp.json`; moby profiles/seccomp/default.json, Apache-2.0).

mod assemble;
mod profile;

pub use profile::{Facts, ProfileError};

use crate::sys::Instruction;

/// Docker's default profile for a container with these facts.
pub fn default_filter(facts: &Facts) -> Vec<Instruction> {
    compile(include_str!("../../data/seccomp.json"), facts).expect("the profile that we ship is tested")
}

/// A profile in docker's JSON form, for a container with these facts.
pub fn compile(json: &str, facts: &Facts) -> Result<Vec<Instruction>, ProfileError> {
    let profile = profile::Profile::parse(json)?;
    Ok(assemble::assemble(&profile::decide(&profile, facts)?))
}
