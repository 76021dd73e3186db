//! A plan as rows for a table.

use crate::interface::{Interface, Joint, ParentKind};
use crate::render::json::dotted;
use crate::render::{iptables, nft};
use crate::{Dialect, Family, Plan};

/// One thing of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// `bridge`, `veth`, `sysctl`, `filter`, `nat`, `filter6`, …
    pub kind: String,
    /// What is to be.
    pub what: String,
    /// Why.
    pub reason: String,
    /// The config field that it comes from.
    pub from: String,
}

/// All of a plan, in the order in which it is made.
pub fn rows(plan: &Plan) -> Vec<Row> {
    let row = |kind: &str, what: String, reason: &str, from: &str| {
        let (reason, from) = (reason.to_owned(), from.to_owned());
        Row { kind: kind.to_owned(), what, reason, from }
    };
    let mut rows = Vec::new();
    for bridge in &plan.bridges {
        let addresses: Vec<_> = bridge.addresses.iter().map(ToString::to_string).collect();
        let what = format!("{} {} mtu {}", bridge.name, addresses.join(" "), bridge.mtu);
        rows.push(row("bridge", what, &bridge.reason, &bridge.from));
    }
    for parent in &plan.parents {
        let (kind, what) = match &parent.kind {
            ParentKind::Given => ("parent", String::new()),
            ParentKind::Vlan { of, id } => ("vlan", format!(" id {id} of {of}")),
            ParentKind::Dummy => ("dummy", String::new()),
        };
        rows.push(row(kind, format!("{}{what}", parent.name), &parent.reason, &parent.from));
    }
    for interface in &plan.interfaces {
        let kind = match interface.joint {
            Joint::Pair { .. } => "veth",
            Joint::On { lie, .. } => lie.kind(),
        };
        rows.push(row(kind, what(interface), &interface.reason, &interface.from));
    }
    for sysctl in &plan.sysctls {
        let place =
            sysctl.container.as_deref().map(|id| format!(" in {}", id.get(..12).unwrap_or(id))).unwrap_or_default();
        rows.push(row(
            "sysctl",
            format!("{}={}{place}", dotted(&sysctl.key), sysctl.value),
            &sysctl.reason,
            &sysctl.from,
        ));
    }
    for rule in plan.rules.by_chain() {
        let six = if rule.family == Family::V6 { "6" } else { "" };
        let what = match plan.dialect {
            Dialect::Own => {
                let chain = nft::chain_name(plan.dialect, rule.table, &rule.chain);
                format!("{chain}: {}", nft::line(rule, plan.dialect))
            }
            _ => iptables::line(rule),
        };
        rows.push(row(&format!("{}{six}", rule.table.word()), what, &rule.reason, &rule.from));
    }
    rows
}

/// `veth1234567@docker0 eth0 in web 02:42:ac:11:00:02 172.17.0.2/16 via 172.17.0.1`.
fn what(interface: &Interface) -> String {
    let (start, end) = match &interface.joint {
        Joint::Pair { host_name, bridge, hairpin } => {
            (format!("{host_name}@{bridge} "), if *hairpin { " hairpin" } else { "" }.to_owned())
        }
        Joint::On { parent, lie } => {
            let straight = if interface.straight { " without a gateway" } else { "" };
            (format!("on {parent} "), format!("{straight} mode {}", lie.words()))
        }
    };
    let mut words = vec![format!("{start}{} in {}", interface.name, interface.container.1)];
    words.extend(interface.mac.map(mac));
    words.extend(interface.addresses.iter().map(ToString::to_string));
    words.extend(interface.gateways.iter().map(|gateway| format!("via {gateway}")));
    words.join(" ") + &end
}

/// Six bytes in hex with colons.
pub fn mac(mac: crate::config::Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
