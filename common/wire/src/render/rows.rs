//! A plan as rows for a table.

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
    for veth in &plan.veths {
        let addresses: Vec<_> = veth.addresses.iter().map(ToString::to_string).collect();
        let gateways: Vec<_> = veth.gateways.iter().map(|gateway| format!(" via {gateway}")).collect();
        let ends = format!("{}@{} {} in {}", veth.host_name, veth.bridge, veth.name, veth.container.1);
        let hairpin = if veth.hairpin { " hairpin" } else { "" };
        let what = format!("{ends} {} {}{}{hairpin}", mac(veth.mac), addresses.join(" "), gateways.concat());
        rows.push(row("veth", what, &veth.reason, &veth.from));
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

/// Six bytes in hex with colons.
pub fn mac(mac: crate::config::Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
