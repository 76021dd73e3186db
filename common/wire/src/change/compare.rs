//! A plan against what is there.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::config::Mac;
use crate::dialect::{Spot, Why, from_bridge, rule, to_bridge};
use crate::interface::Interface;
use crate::live::{Live, sysctl};
use crate::netlink::nft;
use crate::state::{State, Undo};
use crate::{Bridge, Family, Match, Plan, RuleSet, Sysctl, Table, Target};

use super::{Guards, Step, lying};

/// Something that stands against the plan. Nothing is changed where there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict(pub String);

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// In this order.
    pub steps: Vec<Step>,
    /// How to undo them, in the same order.
    pub undo: Vec<Undo>,
    /// What stands against it.
    pub conflicts: Vec<Conflict>,
}

impl Changes {
    pub(super) fn step(&mut self, step: Step, undo: Option<Undo>) {
        self.steps.push(step);
        self.undo.extend(undo);
    }

    pub(super) fn conflict(&mut self, text: impl Into<String>) {
        self.conflicts.push(Conflict(text.into()));
    }
}

/// Compares. `state` is what is up by us.
pub fn compare(plan: &Plan, live: &Live, state: &State, guards: &Guards) -> Changes {
    let mut changes = Changes::default();
    let (of_links, of_host): (Vec<&Sysctl>, Vec<&Sysctl>) = plan
        .sysctls
        .iter()
        .filter(|s| s.container.is_none())
        .partition(|s| plan.bridges.iter().any(|b| is_of(s, &b.name)));
    of_host.iter().for_each(|setting| host_setting(&mut changes, setting, live));
    for bridge in &plan.bridges {
        let settings: Vec<_> = of_links.iter().copied().filter(|setting| is_of(setting, &bridge.name)).collect();
        self::bridge(&mut changes, bridge, &settings, live, state);
    }
    rules(&mut changes, plan, live, state);
    guards.dropping.iter().for_each(|program| accept(&mut changes, program, plan, state));
    for link in &guards.unzoned {
        changes.step(Step::Zone { link: link.clone() }, Some(Undo::Zone { link: link.clone() }));
    }
    plan.parents.iter().for_each(|parent| lying::parent(&mut changes, parent, live, state));
    for interface in &plan.interfaces {
        match interface.host_name() {
            Some(name) => pair(&mut changes, interface, name, plan, live, state),
            None => lying::interface(&mut changes, interface, plan, live, state),
        }
    }
    stale(&mut changes, plan, live, state);
    changes
}

fn is_of(setting: &Sysctl, bridge: &str) -> bool {
    setting.key.split('/').nth(3) == Some(bridge)
}

fn host_setting(changes: &mut Changes, setting: &Sysctl, live: &Live) {
    let Ok(Some(was)) = sysctl(&setting.key) else { return };
    if was == setting.value {
        return;
    }
    if setting.key == "net/ipv4/ip_forward" {
        forwarding(changes, live);
    }
    let undo = Undo::Sysctl { key: setting.key.clone(), was: was.clone(), set: setting.value.clone() };
    changes.step(Step::Sysctl { key: setting.key.clone(), was, set: setting.value.clone() }, Some(undo));
}

/// Switching forwarding off again also switches it off on single interfaces, and lets redirects in (linux/net/ipv4/devinet.c,
/// inet_forward_change): so what those were is kept apart, to be set after.
fn forwarding(changes: &mut Changes, live: &Live) {
    let names = live.links.iter().map(|link| &*link.name).chain(["default"]);
    let keys: Vec<_> = names.map(|name| format!("net/ipv4/conf/{name}/forwarding")).collect();
    let on = keys.into_iter().filter(|key| sysctl(key).is_ok_and(|value| value.as_deref() == Some("1")));
    changes.undo.extend(on.map(|key| Undo::Sysctl { key, was: "1".into(), set: "0".into() }));
    let redirects = "net/ipv4/conf/all/accept_redirects";
    if sysctl(redirects).is_ok_and(|value| value.as_deref() == Some("0")) {
        changes.undo.push(Undo::Sysctl { key: redirects.into(), was: "0".into(), set: "1".into() });
    }
}

fn bridge(changes: &mut Changes, bridge: &Bridge, settings: &[&Sysctl], live: &Live, state: &State) {
    let name = &bridge.name;
    let broadcast = bridge.broadcast;
    let set =
        |setting: &&Sysctl, was: String| Step::Sysctl { key: setting.key.clone(), was, set: setting.value.clone() };
    match live.link(name) {
        None => {
            for address in &bridge.addresses {
                overlaps(changes, bridge, *address, live);
            }
            let mac = random_mac();
            let undo = Undo::Link { name: name.clone(), mac };
            changes.step(Step::Bridge { name: name.clone(), mac, mtu: bridge.mtu }, Some(undo));
            settings.iter().for_each(|setting| changes.step(set(setting, String::new()), None));
            for &prefix in &bridge.addresses {
                changes.step(Step::Address { link: name.clone(), prefix, broadcast }, None);
            }
            changes.step(Step::Up { link: name.clone() }, None);
        }
        Some(link) if link.kind != "bridge" => {
            changes.conflict(format!("network '{}' needs bridge '{name}', which is no bridge here", bridge.network.0));
        }
        Some(link) => {
            let ours = is_ours(state, name, link.mac);
            for &prefix in bridge.addresses.iter().filter(|prefix| !live.has(link.index, **prefix)) {
                let other = live.of(link.index).find(|other| other.is_ipv4() && prefix.is_ipv4());
                if let Some(other) = other {
                    let network = &bridge.network.0;
                    changes
                        .conflict(format!("network '{network}' needs {prefix} on bridge '{name}', which has {other}"));
                    continue;
                }
                overlaps(changes, bridge, prefix, live);
                let undo = Undo::Address { link: name.clone(), address: prefix.address, length: prefix.length };
                changes.step(Step::Address { link: name.clone(), prefix, broadcast }, Some(undo).filter(|_| !ours));
            }
            for setting in settings {
                let Ok(Some(was)) = sysctl(&setting.key) else { continue };
                if was != setting.value {
                    let undo = Undo::Sysctl { key: setting.key.clone(), was: was.clone(), set: setting.value.clone() };
                    changes.step(set(setting, was), Some(undo).filter(|_| !ours));
                }
            }
            if !link.up {
                match ours {
                    true => changes.step(Step::Up { link: name.clone() }, None),
                    false => changes.conflict(format!("bridge '{name}' is switched off")),
                }
            }
        }
    }
}

fn overlaps(changes: &mut Changes, bridge: &Bridge, wanted: crate::Prefix, live: &Live) {
    let routes = live.routes.iter().filter(|route| route.to.length > 0 && live.name(route.by) != bridge.name);
    for route in routes.filter(|route| route.to.overlaps(wanted)) {
        let (network, by) = (&bridge.network.0, live.name(route.by));
        changes.conflict(format!("network '{network}' with {wanted} overlaps the route to {} by '{by}'", route.to));
    }
}

pub(super) fn is_ours(state: &State, name: &str, mac: Option<Mac>) -> bool {
    let ours = |undo: &Undo| matches!(undo, Undo::Link { name: made, mac: with } if made == name && Some(*with) == mac);
    state.undo.iter().any(ours)
}

fn rules(changes: &mut Changes, plan: &Plan, live: &Live, state: &State) {
    let mut wanted = plan.rules.clone();
    apart_from_others(&mut wanted, plan, live);
    if switched_on(changes, state) {
        not_a_router(&mut wanted, live);
    }
    if nft::expected(&wanted) != live.own {
        // First of all: a kernel that lacks something refuses them, whole, and nothing else was changed then; and nothing is
        // forwarded that they do not know of.
        let was = live.own.len();
        changes.steps.insert(0, Step::Rules { rules: wanted, was });
        changes.undo.insert(0, Undo::Tables);
    }
}

/// Whether forwarding is on because of us.
fn switched_on(changes: &Changes, state: &State) -> bool {
    let forward = |undo: &Undo| matches!(undo, Undo::Sysctl { key, .. } if key == "net/ipv4/ip_forward");
    changes.undo.iter().chain(&state.undo).any(forward)
}

/// What was no router before is none now: packets from one of the host's own interfaces to another are dropped.
fn not_a_router(rules: &mut RuleSet, live: &Live) {
    let hardware =
        |link: &&crate::netlink::link::Link| link.name != "lo" && link.master.is_none() && link.kind != "bridge";
    let own: Vec<_> = live.links.iter().filter(hardware).filter(|link| live.of(link.index).next().is_some()).collect();
    let forward = Spot(Family::V4, Table::Filter, "FORWARD");
    for from in &own {
        for to in &own {
            let why = Why("the host did not forward before, and does so for containers alone", "net.ipv4.ip_forward");
            rules.append(rule(forward, [from_bridge(&from.name), to_bridge(&to.name)], Target::Drop, why));
        }
    }
}

/// Bridges of other engines: without a way out, and with nothing but virtual interfaces on them.
pub fn foreign_bridges<'a>(live: &'a Live, ours: &BTreeSet<&str>) -> Vec<&'a str> {
    let bridges = live.links.iter().filter(|link| link.kind == "bridge" && !ours.contains(&*link.name));
    let default = |index: u32| live.routes.iter().any(|route| route.to.length == 0 && route.by == index);
    let hardware = |index: u32| live.links.iter().any(|link| link.master == Some(index) && link.kind.is_empty());
    bridges.filter(|link| !default(link.index) && !hardware(link.index)).map(|link| &*link.name).collect()
}

fn apart_from_others(rules: &mut RuleSet, plan: &Plan, live: &Live) {
    let ours = plan.bridges.iter().map(|bridge| &*bridge.name).collect();
    let families: BTreeSet<Family> = rules.rules.iter().map(|rule| rule.family).collect();
    for name in foreign_bridges(live, &ours) {
        for &family in &families {
            let apart = Spot(family, Table::Filter, "DOCKLESS-APART");
            let why = Why("ports that others publish are open to our containers", "live bridges");
            rules.append(rule(apart, [to_bridge(name), Match::Rewritten], Target::Return, why));
            let why = Why("our containers do not reach those of others directly", "live bridges");
            rules.append(rule(apart, [to_bridge(name)], Target::Drop, why));
        }
    }
}

/// Our own table has decided already on what goes to and comes from bridges of ours; on another's bridge, its own
/// rules do for everything but our containers.
fn accept(changes: &mut Changes, program: &str, plan: &Plan, state: &State) {
    let mut conditions: Vec<String> = Vec::new();
    for bridge in plan.bridges.iter().filter(|bridge| !bridge.shared) {
        conditions.extend(["-i", "-o"].map(|way| format!("{way} {}", bridge.name)));
    }
    let shared = |veth: &&Interface| plan.bridges.iter().any(|bridge| bridge.shared && bridge.name == veth.on());
    for veth in plan.interfaces.iter().filter(shared) {
        let same = veth.addresses.iter().filter(|prefix| prefix.is_ipv4() == program.starts_with("iptables"));
        for address in same.map(|prefix| prefix.address) {
            let bridge = veth.on();
            conditions.push(format!("-s {address} -i {bridge} ! -o {bridge}"));
            conditions.push(format!("-d {address} -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED"));
            conditions.push(format!("-d {address} -o {bridge} -m conntrack --ctstate DNAT"));
        }
    }
    let mut rules = Vec::new();
    for condition in conditions {
        let text = format!("FORWARD {condition} -m comment --comment dockless -j ACCEPT");
        let rule: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let undo = Undo::Iptables { program: program.to_owned(), rule: rule.clone() };
        if !state.undo.contains(&undo) || !super::iptables::has(program, &rule) {
            changes.undo.push(undo);
            rules.push(rule);
        }
    }
    if !rules.is_empty() {
        changes.steps.push(Step::Iptables { program: program.to_owned(), rules });
    }
}

fn pair(changes: &mut Changes, interface: &Interface, name: &str, plan: &Plan, live: &Live, state: &State) {
    let half = |link: &&crate::netlink::link::Link| !state.complete && is_ours(state, &link.name, link.mac);
    if live.link(name).filter(half).is_some() {
        changes.steps.push(Step::Remove { link: name.to_owned() });
    }
    match live.link(name).filter(|link| !half(link)) {
        Some(link) if is_ours(state, &link.name, link.mac) => {}
        Some(_) => changes.conflict(format!("container '{}' needs '{name}', which is there", interface.container.1)),
        None => {
            let mac = random_mac();
            let undo = Undo::Link { name: name.to_owned(), mac };
            changes.step(attach(interface, mac, plan), Some(undo));
        }
    }
}

pub(super) fn attach(interface: &Interface, mac: Mac, plan: &Plan) -> Step {
    let inside = plan.sysctls.iter().filter(|s| s.container.as_deref() == Some(&interface.container.0));
    let own = inside.filter(|setting| is_of(setting, &interface.name));
    let sysctls = own.map(|setting| (setting.key.clone(), setting.value.clone())).collect();
    Step::Attach { interface: Box::new(interface.clone()), mac, sysctls }
}

/// Interfaces that are up by us and not in the plan.
fn stale(changes: &mut Changes, plan: &Plan, live: &Live, state: &State) {
    let wanted = |name: &str| {
        plan.bridges.iter().any(|bridge| bridge.name == name)
            || plan.parents.iter().any(|parent| parent.name == name)
            || plan.interfaces.iter().any(|interface| interface.host_name() == Some(name))
    };
    lying::stale(changes, plan, state);
    let ours = live.links.iter().filter(|link| is_ours(state, &link.name, link.mac));
    let unwanted = ours.filter(|link| !wanted(&link.name));
    changes.steps.extend(unwanted.map(|link| Step::Remove { link: link.name.clone() }));
}

/// Ours alone: locally administered, as docker's begin.
pub(super) fn random_mac() -> Mac {
    let bytes = RandomState::new().hash_one(std::process::id()).to_ne_bytes();
    [0x02, 0x42, bytes[0], bytes[1], bytes[2], bytes[3]]
}
