//! What can be typed. Docker's flags by docker's names; the help is the doc comments.

pub mod files;
pub mod health;
pub mod life;
pub mod limits;
pub mod network;
pub mod process;
pub mod rest;
pub mod rights;

use std::path::PathBuf;

/// Run a command in a container from an image, or an old container again, with no daemon
#[derive(clap::Parser, Debug)]
#[command(args_override_self = true, disable_help_flag = true)]
pub struct Args {
    #[command(flatten)]
    pub root: cli::RootArg,

    /// Image to run, or `-` for docker's inspect JSON on stdin; then the command and its arguments
    #[arg(value_name = "IMAGE [COMMAND] [ARG]...", trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
    pub image_and_command: Vec<String>,

    /// Run this container of the data root again: a name, an id, the beginning of one, or its folder
    #[arg(long, value_name = "NAME|ID|DIR", help_heading = "Old containers")]
    pub container: Option<String>,
    /// Never write to the data root: changes live in memory, or in the folder given with --rw
    #[arg(long, help_heading = "Old containers")]
    pub ephemeral: bool,
    /// Folder for the changes of an ephemeral container
    #[arg(long, value_name = "DIR", help_heading = "Old containers")]
    pub rw: Option<PathBuf>,
    /// Print what would be done, and where each value comes from; change nothing
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text", help_heading = "Old containers")]
    pub plan: Option<PlanFormat>,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// Report what this machine can do for containers, and what it lacks
    #[arg(long, help_heading = "Old containers")]
    pub check: bool,
    /// Write the container as an OCI bundle to this folder instead of starting it: config.json and rootfs
    #[arg(long, value_name = "DIR", help_heading = "Old containers")]
    pub bundle: Option<PathBuf>,
    /// Refuse at once where another program is writing the data root, instead of waiting for it
    #[arg(long)]
    pub no_wait: bool,

    #[command(flatten)]
    pub process: process::ProcessArgs,
    #[command(flatten)]
    pub life: life::LifeArgs,
    #[command(flatten)]
    pub files: files::FileArgs,
    #[command(flatten)]
    pub network: network::NetworkArgs,
    #[command(flatten)]
    pub rights: rights::RightArgs,
    #[command(flatten)]
    pub limits: limits::LimitArgs,
    #[command(flatten)]
    pub health: health::HealthArgs,
    #[command(flatten)]
    pub rest: rest::RestArgs,
}

/// How `--plan` prints.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
}
