//! `net up`: containers brought onto their networks.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::bail;
use cli::table::Table;
use cli::{Findings, Outcome, RootArg, WithHint};
use wire::attach::{AttachError, Attached, Attacher};
use wire::config::{Configs, Container};
use wire::{Plan, Selection};

use crate::args::UpArgs;
use crate::{companion, files, input, proxy};

/// Reads, refuses or makes, and says what is up.
pub fn run(args: &UpArgs, root: &RootArg) -> anyhow::Result<Outcome> {
    let mut findings = Findings::new();
    let mut read = input::read(&args.input, root, &mut findings)?;
    let daemon = input::daemon(&args.daemon, root, &mut findings)?;
    let ids = chosen(&read.configs, &read.selection);
    place(&mut read.configs, &ids, args)?;
    let wanted: Vec<Container> =
        read.configs.containers.iter().filter(|container| ids.contains(&container.id)).cloned().collect();
    let all = daemon.userland_proxy == Some(true);
    proxy::refuse(&wanted, all, &args.state.state_dir)?;
    let attached = open(&args.state.state_dir)?.up(read.configs, &ids, &daemon, args.dry_run);
    let attached = attached.map_err(explain)?;
    let Attached { plan, steps, findings: more, configs: up } = attached;
    findings.extend(more);
    if !args.dry_run {
        files::write(&args.state.state_dir, &up, &plan)?;
        names(&plan, &args.state.state_dir)?;
        proxy::start(&wanted, &plan, all, &args.state.state_dir)?;
    }
    let mut stdout = cli::stdout();
    if args.dry_run {
        steps.iter().try_for_each(|step| writeln!(stdout, "{step}"))?;
    } else if !args.quiet {
        let mut table = Table::new(["CONTAINER", "NETWORK", "ADDRESS", "MAC ADDRESS", "PORTS", "FILES"]);
        for interface in plan.interfaces.iter().filter(|interface| ids.contains(&interface.container.0)) {
            let of = |port: &&wire::Port| interface.addresses.iter().any(|prefix| prefix.address == port.address);
            let ports = plan.ports.iter().filter(of).map(|port| {
                let host = std::net::SocketAddr::new(port.host_ip, port.host_port);
                format!("{host}->{}/{}", port.port, port.protocol.word())
            });
            let addresses: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
            let mac = interface.mac.map(wire::render::rows::mac).unwrap_or_default();
            let ports = ports.collect::<Vec<_>>().join(", ");
            let files = files::folder(&args.state.state_dir, &interface.container.0)?.display().to_string();
            table.row([
                interface.container.1.clone(),
                interface.network.clone(),
                addresses.join(", "),
                mac,
                ports,
                files,
            ]);
        }
        stdout.write_all(table.text().as_bytes())?;
    }
    stdout.flush()?;
    Ok(findings.into())
}

/// Opens the state, or says what is missing for changing a network.
pub fn open(dir: &Path) -> anyhow::Result<Attacher> {
    Attacher::open(dir).map_err(explain)
}

/// An error with what to do about it, where that is known.
pub fn explain(error: AttachError) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    let codes: Vec<_> =
        error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()?.raw_os_error()).collect();
    let has = |wanted: &[i32]| codes.iter().any(|code| wanted.contains(code));
    let hint = if has(&[nix::libc::EPERM, nix::libc::EACCES]) {
        "changing the network needs CAP_NET_ADMIN; run with sudo, or in a namespace of your own"
    } else if has(&[nix::libc::ENOENT, nix::libc::EOPNOTSUPP, nix::libc::EPROTONOSUPPORT, nix::libc::EAFNOSUPPORT]) {
        "this kernel may lack a module: modprobe -a nf_tables nft_nat nft_masq nft_fib_ipv4 nft_ct bridge veth"
    } else {
        return error;
    };
    Err::<(), _>(error).hint(hint).expect_err("it was an error")
}

/// Starts a resolver for each container that is on a network of the user's.
fn names(plan: &Plan, dir: &Path) -> anyhow::Result<()> {
    let mut started = BTreeSet::new();
    for interface in plan.interfaces.iter().filter(|interface| interface.network != "bridge") {
        if started.insert(&interface.container.0) {
            companion::start("resolver", dir, &interface.container.0, &interface.namespace_path(), &[])?;
        }
    }
    Ok(())
}

fn chosen(configs: &Configs, selection: &Selection) -> Vec<String> {
    let all = configs.containers.iter();
    match selection {
        Selection::Named(names) => names.iter().filter_map(|name| Some(configs.container(name)?.id.clone())).collect(),
        Selection::All => all.map(|container| container.id.clone()).collect(),
        Selection::Live => all.filter(|container| container.running).map(|container| container.id.clone()).collect(),
    }
}

/// Where the one container's namespace is, as typed.
fn place(configs: &mut Configs, ids: &[String], args: &UpArgs) -> anyhow::Result<()> {
    if args.pid.is_none() && args.netns.is_none() {
        return Ok(());
    }
    let [id] = ids else { bail!("--pid and --netns are for one container, and {} are meant", ids.len()) };
    for container in configs.containers.iter_mut().filter(|container| container.id == *id) {
        container.pid = args.pid.unwrap_or(0);
        container.sandbox = args.netns.clone().unwrap_or_default();
    }
    Ok(())
}
