//! A container's network: brought up while its first process waits, taken down at its end, and written in its record.

use std::path::Path;

use host::Host;
use model::{Id, Protocol};
use serde_json::{Map, Value, json};
use wire::attach::{AttachError, Attacher};
use wire::change::Conflict;
use wire::proxy::{Forward, forwards};
use wire::{Daemon, Interface, Plan};

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
    let wanted = configs.container(id.as_str()).cloned();
    let attacher = Attacher::open(Path::new(wire::state::DEFAULT_DIR))?;
    let attached = attacher.up(configs, &[id.as_str().to_string()], &Daemon::default(), false)?;
    // Its companions wait for the lock that is held here.
    let carried = wanted.map(|container| forwards(&container, &attached.plan, true)).unwrap_or_default();
    let mut connected = connected(&attached.plan, id);
    if let Some(taken) = carried.iter().find_map(|forward| Some((forward, forward.is_free().err()?))) {
        attacher.down(&[id.as_str().to_string()], &Daemon::default(), false)?;
        return Err(refused(taken).into());
    }
    drop(attacher);
    match publish(id, pid, &carried) {
        Some(lacking) => connected.warnings.push(lacking),
        // Those of all addresses are reached by IPv6 too.
        None => carried.iter().for_each(|f| bind(&mut connected.ports, f.to.port(), f.protocol, f.host)),
    }
    Ok(connected)
}

/// Starts `net`'s proxy for published ports, as docker does: it carries what rules cannot lead to the container, and holds the
/// ports, so that nobody else on the host takes them. Returns what stands against it, in words.
fn publish(id: &Id, pid: i32, carried: &[Forward]) -> Option<String> {
    if carried.is_empty() {
        return None;
    }
    let words: Vec<String> = carried.iter().flat_map(|forward| ["--forward".to_string(), forward.word()]).collect();
    let error = companion("proxy", id, pid, &words)?;
    Some(format!("published ports are not reached by [::1], and not held: {error}"))
}

/// Somebody else has a port that rules do not need, and that is to be held.
fn refused((forward, error): (&Forward, std::io::Error)) -> AttachError {
    let (port, protocol, address) = (forward.host.port(), forward.protocol.word(), forward.host.ip());
    let text = format!("port {port}/{protocol} of {address} is wanted by the container and cannot be had: {error}");
    AttachError::Conflicts { conflicts: vec![Conflict(text)] }
}

/// Starts `net`'s resolver for a container on a network of the user's. Returns what stands against it, in words.
pub fn answer_names(id: &Id, pid: i32) -> Option<String> {
    let error = companion("resolver", id, pid, &[])?;
    Some(format!("other containers are not known by name: {error}"))
}

/// Starts one of `net`'s companions, and waits until it is at work. It ends when the container is down.
fn companion(verb: &str, id: &Id, pid: i32, more: &[String]) -> Option<String> {
    let net = match std::env::current_exe() {
        Ok(own) => own.with_file_name("net"),
        Err(error) => return Some(format!("cannot tell where 'net' lies: {error}")),
    };
    let namespace = format!("/proc/{pid}/ns/net");
    let dir = Path::new(wire::state::DEFAULT_DIR);
    let error = wire::companion::start(&net, verb, dir, id.as_str(), Path::new(&namespace), more).err()?;
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    Some(format!("{error}{}", source.unwrap_or_default()))
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
        let endpoint = endpoint(interface, plan);
        let said = |key: &str| endpoint[key].as_str().filter(|text| !text.is_empty()).map(str::to_string);
        out.address = out.address.or_else(|| said("IPAddress"));
        out.gateway = out.gateway.or_else(|| said("Gateway"));
        out.addresses.extend(interface.addresses.iter().map(|prefix| prefix.address.to_string()));
        out.networks.insert(interface.network.clone(), endpoint);
    }
    for port in plan.ports.iter().filter(|port| port.id == id.as_str()) {
        bind(&mut out.ports, port.port, port.protocol, std::net::SocketAddr::new(port.host_ip, port.host_port));
    }
    out
}

/// Docker's word for one of its networks.
fn endpoint(interface: &Interface, plan: &Plan) -> Value {
    let bridges = plan.bridges.iter().map(|bridge| &bridge.network);
    let mut networks = bridges.chain(plan.parents.iter().map(|parent| &parent.network));
    let network_id = networks.find(|(name, _)| *name == interface.network).map_or("", |(_, id)| id);
    let address = |six: bool| interface.addresses.iter().find(|prefix| prefix.address.is_ipv6() == six);
    let text = |six: bool| address(six).map(|prefix| prefix.address.to_string()).unwrap_or_default();
    let length = |six: bool| address(six).map_or(0, |prefix| prefix.length);
    let gateway = |six: bool| interface.gateways.iter().find(|gateway| gateway.is_ipv6() == six);
    let gateway = |six: bool| gateway(six).map(ToString::to_string).unwrap_or_default();
    json!({
        "IPAMConfig": Value::Null, "Links": Value::Null, "Aliases": Value::Null, "NetworkID": network_id, "EndpointID": "",
        "Gateway": gateway(false), "IPAddress": text(false), "IPPrefixLen": length(false),
        "IPv6Gateway": gateway(true), "GlobalIPv6Address": text(true), "GlobalIPv6PrefixLen": length(true),
        "MacAddress": interface.mac.map(wire::render::rows::mac).unwrap_or_default(),
        "DriverOpts": Value::Null, "IPAMOperational": false,
    })
}

/// Adds a port of the host to docker's `Ports`.
fn bind(ports: &mut Map<String, Value>, port: u16, protocol: Protocol, host: std::net::SocketAddr) {
    let bindings = ports.entry(format!("{port}/{}", protocol.word())).or_insert_with(|| json!([]));
    let binding = json!({ "HostIp": host.ip().to_string(), "HostPort": host.port().to_string() });
    if let Some(list) = bindings.as_array_mut().filter(|list| !list.contains(&binding)) {
        list.push(binding);
    }
}
