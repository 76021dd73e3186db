//! What others' guards drop or reject as long as they are not told.

use super::iptables;
use crate::firewalld::Firewalld;
use crate::live::Live;
use crate::netlink::nft::BaseChain;
use crate::state::{State, Undo};
use crate::{Family, Plan};

/// What others' guards drop or reject as long as they are not told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Guards {
    /// The iptables programs whose forward policy is to drop.
    pub dropping: Vec<String>,
    /// Bridges that are in none of the zones of a firewalld that runs here.
    pub unzoned: Vec<String>,
}

impl Guards {
    /// Asks them about what a plan has.
    pub fn here(plan: &Plan, live: &Live) -> Guards {
        let unzoned = Firewalld::of(live).map_or_else(Vec::new, |mut firewalld| {
            let ours = plan.bridges.iter().filter(|bridge| !bridge.shared).map(|bridge| bridge.name.clone());
            ours.filter(|name| firewalld.zone_of(name).is_ok_and(|zone| zone.is_empty())).collect()
        });
        Guards { dropping: ip_tables_that_drop(live), unzoned }
    }
}

/// The bridges that we made, and the zone of firewalld's that each is in: empty for none, `None` where it does not answer.
pub fn zones(live: &Live, state: &State) -> Vec<(String, Option<String>)> {
    let mut firewalld = Firewalld::of(live);
    let made = state.undo.iter().filter_map(|undo| match undo {
        Undo::Link { name, mac } => live.link(name).filter(|link| link.mac == Some(*mac) && link.kind == "bridge"),
        _ => None,
    });
    made.map(|link| (link.name.clone(), firewalld.as_mut().and_then(|guard| guard.zone_of(&link.name).ok()))).collect()
}

/// The iptables programs that have a forward chain which drops what no rule of it accepts.
pub fn ip_tables_that_drop(live: &Live) -> Vec<String> {
    let forward = |family: Family| {
        let of = move |chain: &&BaseChain| chain.family == Some(family) && chain.hook == 2;
        live.chains.iter().filter(of).any(|chain| chain.table == "filter" && chain.name == "FORWARD" && chain.drops)
    };
    let mut programs = Vec::new();
    for (family, name) in [(Family::V4, "iptables"), (Family::V6, "ip6tables")] {
        if forward(family) {
            programs.push(format!("{name}-nft"));
        }
        if iptables::legacy_drops(name) {
            programs.push(format!("{name}-legacy"));
        }
    }
    programs
}
