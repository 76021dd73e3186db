//! What can be typed.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use wire::{Daemon, Dialect, Prefix};

use wire::proxy::Forward;

/// The network that containers need, planned from their configs, made and unmade
#[derive(Parser, Debug)]
#[command(version)]
pub struct Args {
    #[command(flatten)]
    pub root: cli::RootArg,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Show the bridges, addresses, interfaces, settings and rules that configs imply; changes nothing
    Plan(PlanArgs),
    /// Make it so for the named containers: bridges, interface pairs in their network namespaces, rules
    Up(UpArgs),
    /// Undo it for the named containers; for all, everything is as it was before the first
    Down(DownArgs),
    /// List bridges and what is on them: ours with container and address, others' with their masquerade
    Ls(LsArgs),
    /// Compare the rules in this namespace, docker's and ours, with what the records imply: exit 0 for equal, 1 for different
    Diff(DiffArgs),
    /// Tell what stands between containers and the network here, and what to do: exit 1 where something is to be done
    Check(CheckArgs),
    /// Answer a container's questions for names; started by up
    #[command(hide = true)]
    Resolver(CompanionArgs),
    /// Carry ports of IPv6 addresses that rules cannot translate; started by up
    #[command(hide = true)]
    Proxy(ProxyArgs),
}

#[derive(clap::Args, Debug)]
pub struct PlanArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// Form of the rules: that of a docker version, or dockless' own
    #[arg(long = "as", value_name = "VERSION", default_value = "nft", value_parser = dialect)]
    pub dialect: Dialect,
    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Write to FILE instead of stdout
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct UpArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub daemon: DaemonArgs,
    #[command(flatten)]
    pub state: StateArgs,
    /// Only print what would be changed
    #[arg(long)]
    pub dry_run: bool,
    /// Process whose network namespace the container has, for one container [default: its recorded State.Pid]
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// File that is the container's network namespace, for one container [default: its recorded SandboxKey]
    #[arg(long, value_name = "FILE", conflicts_with = "pid", value_hint = clap::ValueHint::AnyPath)]
    pub netns: Option<String>,
    /// Print only what went wrong
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(clap::Args, Debug)]
pub struct DownArgs {
    /// Containers by name or id [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub state: StateArgs,
    /// Only print what would be undone
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(clap::Args, Debug)]
pub struct LsArgs {
    #[command(flatten)]
    pub state: StateArgs,
    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: LsFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LsFormat {
    Table,
    Json,
}

#[derive(clap::Args, Debug)]
pub struct DiffArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub daemon: DaemonArgs,
    #[command(flatten)]
    pub state: StateArgs,
    /// Version whose rules are expected [default: by the chains that are there]
    #[arg(long = "as", value_name = "VERSION", value_parser = dialect)]
    pub dialect: Option<Dialect>,
}

#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(clap::Args, Debug)]
pub struct CompanionArgs {
    #[command(flatten)]
    pub state: StateArgs,
    /// The container
    #[arg(long)]
    pub id: String,
    /// The file that is its network namespace
    #[arg(long, value_name = "FILE")]
    pub netns: PathBuf,
}

#[derive(clap::Args, Debug)]
pub struct ProxyArgs {
    #[command(flatten)]
    pub place: CompanionArgs,
    /// Port of the host and where it leads, as `tcp/[::1]:80/172.17.0.2:80`
    #[arg(long, value_parser = Forward::parse)]
    pub forward: Vec<Forward>,
}

#[derive(clap::Args, Debug)]
pub struct StateArgs {
    /// Where it is written down what is up and how to undo it
    #[arg(long, value_name = "DIR", default_value = wire::state::DEFAULT_DIR, value_hint = clap::ValueHint::DirPath)]
    pub state_dir: PathBuf,
}

#[derive(clap::Args, Debug)]
pub struct InputArgs {
    /// Containers of the data root by name or id; a container's directory; a file of docker's inspect JSON, or - for
    /// stdin, in which further names are looked up [default: all that run]
    #[arg(value_name = "NAME|DIR|FILE|-")]
    pub names: Vec<String>,
    /// Take stopped containers too, as if they were started
    #[arg(long)]
    pub stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    Table,
    IptablesRestore,
    #[value(name = "ip6tables-restore")]
    Ip6tablesRestore,
    Nft,
    Json,
}

/// What the daemon was told that no inspect shows.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Options of the daemon")]
pub struct DaemonArgs {
    /// The daemon's own configuration [default: etc/docker/daemon.json of --host-root]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config_file: Option<PathBuf>,
    /// Make iptables rules [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub iptables: Option<bool>,
    /// Make ip6tables rules [default: false before docker 27]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ip6tables: Option<bool>,
    /// Switch forwarding on [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ip_forward: Option<bool>,
    /// Give outgoing packets of the default bridge the host's address [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ip_masq: Option<bool>,
    /// Let containers of the default bridge reach each other [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub icc: Option<bool>,
    /// Give the default bridge IPv6 [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ipv6: Option<bool>,
    /// Have a proxy process for each published port [default: true; up needs one only to carry IPv6 to IPv4, and starts it
    /// for ports without an address when this is said]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub userland_proxy: Option<bool>,
    /// Bridge of the default network; none for no default network [default: docker0]
    #[arg(long, short, value_name = "NAME", value_parser = interface)]
    pub bridge: Option<String>,
    /// Address and network of the default bridge
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = prefix)]
    pub bip: Option<Prefix>,
    /// IPv6 address and network of the default bridge
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = prefix)]
    pub bip6: Option<Prefix>,
    /// Let published ports be reached by containers' own addresses too [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_direct_routing: Option<bool>,
    /// Where the default bridge takes containers' addresses from
    #[arg(long, value_name = "NETWORK", value_parser = prefix)]
    pub fixed_cidr: Option<Prefix>,
    /// IPv6 network of the default bridge
    #[arg(long, value_name = "NETWORK", value_parser = prefix)]
    pub fixed_cidr_v6: Option<Prefix>,
    /// MTU of the default bridge's containers [default: 1500]
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u32>,
    /// Where containers of the default bridge send packets to the outside [default: the bridge]
    #[arg(long, value_name = "ADDRESS")]
    pub default_gateway: Option<IpAddr>,
    /// The same for IPv6
    #[arg(long, value_name = "ADDRESS")]
    pub default_gateway_v6: Option<IpAddr>,
    /// Address on which ports without one are published [default: 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<IpAddr>,
}

impl DaemonArgs {
    /// What was typed.
    pub fn daemon(&self) -> Daemon {
        Daemon {
            iptables: self.iptables,
            ip6tables: self.ip6tables,
            ip_forward: self.ip_forward,
            ip_masq: self.ip_masq,
            icc: self.icc,
            ipv6: self.ipv6,
            userland_proxy: self.userland_proxy,
            bridge: self.bridge.clone(),
            bip: self.bip,
            bip6: self.bip6,
            allow_direct_routing: self.allow_direct_routing,
            fixed_cidr: self.fixed_cidr,
            fixed_cidr_v6: self.fixed_cidr_v6,
            mtu: self.mtu,
            default_gateway: self.default_gateway,
            default_gateway_v6: self.default_gateway_v6,
            ip: self.ip,
        }
    }
}

fn dialect(word: &str) -> Result<Dialect, String> {
    let words = Dialect::ALL.map(Dialect::word).join(", ");
    Dialect::parse(word).ok_or_else(|| format!("one of {words} is wanted"))
}

fn interface(text: &str) -> Result<String, String> {
    let named = wire::interface::is_name(text).then(|| text.to_owned());
    named.ok_or_else(|| "an interface's name is wanted: at most 15 letters, digits and - _ . among them".to_owned())
}

fn prefix(text: &str) -> Result<Prefix, String> {
    Prefix::parse(text)
        .ok_or_else(|| "an address with the length of its network is wanted, as in 172.17.0.1/16".to_owned())
}
