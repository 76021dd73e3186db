//! A container's network: brought up while its first process waits, taken down at its end, and written in its record.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use host::Host;
use model::Id;
use serde_json::{Map, Value, json};
use wire::attach::Attacher;
use wire::{Daemon, Plan};

use crate::{LifeError, usernet};

/// What a container is connected to.
#[derive(Debug, Default)]
pub struct Connected {
    /// Its address on the first of its networks; `None` where it has none.
    pub address: Option<String>,
    /// All its addresses, in the order of its networks.
    pub addresses: Vec<String>,
    /// The gateway of the first.
    pub gateway: Option<String>,
    /// Who answers questions for names, where not the host's own servers.
    pub resolver: Option<String>,
    /// What is lacking, one line each.
    pub warnings: Vec<String>,
    /// Docker's `Networks`, by name.
    pub networks: Map<String, Value>,
    /// Docker's `Ports`.
    pub ports: Map<String, Value>,
}

/// Whether a record asks for a network of its own that has to be made.
pub fn is_wanted(inspect: &Value) -> bool {
    let mode = inspect["HostConfig"]["NetworkMode"].as_str().unwrap_or("none");
    !matches!(mode, "none" | "host") && !mode.starts_with("container:")
}

/// The networks of the root, as docker's inspect JSON: what a container on one of them needs to be connected.
pub fn of_host(host: &Host) -> Vec<Value> {
    let (networks, _) = host.networks();
    networks.iter().map(|network| layout::inspect_network(host.root(), host.stores(), network).0).collect()
}

/// Connects the container whose first process is `pid`.
pub fn connect(inspect: &Value, networks: &[Value], id: &Id, pid: i32) -> Result<Connected, LifeError> {
    if usernet::is_it() {
        return usernet::connect(inspect, id, pid);
    }
    let mode = inspect["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
    let usual = matches!(mode, "" | "default" | "bridge");
    if !usual && !networks.iter().any(|network| network["Name"] == mode || network["Id"] == mode) {
        return Err(LifeError::NoNetwork(mode.to_string()));
    }
    let mut own = inspect.clone();
    own["Id"] = json!(id.as_str());
    own["State"]["Running"] = json!(true);
    own["State"]["Pid"] = json!(pid);
    own["NetworkSettings"]["SandboxKey"] = json!("");
    // What was published last is over; what is to be published stands in the host config.
    own["NetworkSettings"]["Ports"] = Value::Null;
    let all: Vec<Value> = networks.iter().cloned().chain([own]).collect();
    let (configs, _) = wire::inspect::read(&Value::Array(all));
    let attacher = Attacher::open(Path::new(wire::state::DEFAULT_DIR))?;
    let attached = attacher.up(configs, &[id.as_str().to_string()], &Daemon::default(), false)?;
    Ok(connected(&attached.plan, id))
}

/// Starts `net`'s resolver for a container on a network of the user's, and waits until it answers. It ends by itself when
/// the container is down. Returns what stands against it, in words.
pub fn answer_names(id: &Id, pid: i32) -> Option<String> {
    let program = std::env::current_exe().ok()?.with_file_name("net");
    let mut command = Command::new(&program);
    command.arg("resolver").args(["--state-dir", wire::state::DEFAULT_DIR, "--id", id.as_str()]);
    command.arg("--netns").arg(format!("/proc/{pid}/ns/net")).current_dir("/");
    // It stays, so it gets nothing of ours to hold open.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut said = String::new();
    let heard = command.spawn().and_then(|mut child| match child.stdout.take() {
        Some(mut stdout) => stdout.read_to_string(&mut said),
        None => Ok(0),
    });
    let missing = match heard {
        Err(error) => format!("'{}' cannot be started: {error}", program.display()),
        Ok(_) if said == "ready\n" => return None,
        Ok(_) => format!("'{}' did not begin to answer", program.display()),
    };
    Some(format!("other containers are not known by name: {missing}"))
}

/// Takes what was made for the container away again; nothing is there to take where somebody did that already.
pub fn disconnect(id: &Id) -> Result<(), LifeError> {
    Parting::begin(id)?.finish()
}

/// A container that is about to be disconnected: nobody else changes the network meanwhile.
pub struct Parting {
    /// `None` where the network is an ordinary user's.
    attacher: Option<Attacher>,
    id: Id,
}

impl Parting {
    /// Waits until nobody else changes the network.
    pub fn begin(id: &Id) -> Result<Parting, LifeError> {
        let attacher = match usernet::is_it() {
            true => None,
            false => Some(Attacher::open(Path::new(wire::state::DEFAULT_DIR))?),
        };
        Ok(Parting { attacher, id: id.clone() })
    }

    /// Disconnects it.
    pub fn finish(self) -> Result<(), LifeError> {
        let Some(attacher) = &self.attacher else {
            usernet::disconnect(&self.id);
            return Ok(());
        };
        match attacher.down(&[self.id.as_str().to_string()], &Daemon::default(), false) {
            Ok(_) | Err(wire::attach::AttachError::Conflicts { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn connected(plan: &Plan, id: &Id) -> Connected {
    let mut out = Connected::default();
    for interface in plan.interfaces.iter().filter(|interface| interface.container.0 == id.as_str()) {
        let four = interface.addresses.iter().find(|prefix| prefix.address.is_ipv4());
        let gateway =
            interface.gateways.iter().find(|gateway| gateway.is_ipv4()).map(ToString::to_string).unwrap_or_default();
        out.address = out.address.or(four.map(|prefix| prefix.address.to_string()));
        out.addresses.extend(interface.addresses.iter().map(|prefix| prefix.address.to_string()));
        out.gateway = out.gateway.or(Some(gateway.clone()).filter(|gateway| !gateway.is_empty()));
        out.networks.insert(
            interface.network.clone(),
            json!({
                "IPAMConfig": Value::Null, "Links": Value::Null, "Aliases": Value::Null, "NetworkID": "", "EndpointID": "",
                "Gateway": gateway, "IPAddress": four.map(|prefix| prefix.address.to_string()).unwrap_or_default(),
                "IPPrefixLen": four.map_or(0, |prefix| prefix.length), "IPv6Gateway": "", "GlobalIPv6Address": "",
                "GlobalIPv6PrefixLen": 0, "MacAddress": interface.mac.map(wire::render::rows::mac).unwrap_or_default(), "DriverOpts": Value::Null,
                "IPAMOperational": false,
            }),
        );
    }
    for port in plan.ports.iter().filter(|port| port.id == id.as_str()) {
        let key = format!("{}/{}", port.port, port.protocol.word());
        let bindings = out.ports.entry(key).or_insert_with(|| json!([]));
        if let Some(list) = bindings.as_array_mut() {
            list.push(json!({ "HostIp": port.host_ip.to_string(), "HostPort": port.host_port.to_string() }));
        }
    }
    out
}
