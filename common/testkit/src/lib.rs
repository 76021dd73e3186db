//! For tests only: hosts from testdata, layers in words, a hermetic command runner.

pub mod engine;
pub mod golden;
pub mod home;
pub mod hosts;
pub mod programs;
pub mod thin;
pub mod twins;
