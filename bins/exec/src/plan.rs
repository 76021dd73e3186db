//! What will be executed, in which process's world; refused where the container does not run.

use std::path::PathBuf;

use anyhow::{Result, bail};
use launch::cgroup::Cgroup;
use launch::spec::Process;
use lifecycle::keys::Keys;
use lifecycle::{end, runtime};
use model::Id;
use serde_json::{Value, json};

use crate::args::Args;

/// Everything that is decided before anything happens.
pub struct Plan {
    /// The data root.
    pub root: PathBuf,
    /// The container's record.
    pub record: Value,
    /// Its own id.
    pub id: Id,
    /// The container's first process.
    pub pid: i32,
    /// Its cgroups.
    pub cgroup: Cgroup,
    /// What is executed.
    pub process: Process,
    /// Whether stdin goes to it.
    pub input: bool,
    /// Whether nobody waits for it.
    pub detach: bool,
    /// Keys that leave it running.
    pub keys: Keys,
}

impl Plan {
    /// Resolves what was typed.
    pub fn new(args: &Args) -> Result<Plan> {
        let root = args.root.path();
        let (host, container, living) = end::named(&root, &args.container, &cli::note)?;
        let Some(living) = living else { bail!("Container {} is not running", container.id) };
        if living.is_halted() {
            bail!("Container {} is paused, unpause the container before exec", args.container);
        }
        if args.tty && args.interactive && !args.detach && !rustix::termios::isatty(rustix::stdio::stdin()) {
            bail!("the input device is not a TTY");
        }
        let (mut inspect, _) = layout::inspect_container(host.root(), host.stores(), &container);
        inspect["Path"] = json!(args.command[0]);
        inspect["Args"] = json!(args.command[1..]);
        let config = &mut inspect["Config"];
        config["Tty"] = json!(args.tty);
        let mut env: Vec<serde_json::Value> = config["Env"].as_array().cloned().unwrap_or_default();
        env.extend(cli::variables::read(&args.env_file, &args.env)?.into_iter().map(|pair| json!(pair)));
        config["Env"] = env.into();
        if let Some(user) = &args.user {
            config["User"] = json!(user);
        }
        if let Some(workdir) = &args.workdir {
            config["WorkingDir"] = json!(workdir);
        }
        if args.privileged {
            inspect["HostConfig"]["Privileged"] = json!(true);
        }
        let (rootfs, _) = host.rootfs(&container)?;
        let process = lifecycle::begin::process(&host, &rootfs, container.id.as_str(), &inspect)?;
        let parent = inspect["HostConfig"]["CgroupParent"].as_str().unwrap_or_default();
        Ok(Plan {
            root,
            record: living.record,
            id: runtime::new_id()?,
            pid: living.pid,
            cgroup: Cgroup::of(container.id.as_str(), parent),
            process,
            input: args.interactive,
            detach: args.detach,
            keys: args.detach_keys.clone(),
        })
    }
}
