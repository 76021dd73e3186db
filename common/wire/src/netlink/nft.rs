//! Rules as nf_tables has them, and our own table as it is.

use std::fmt::Write;

use model::Protocol;

use crate::netlink::link::octets;
use crate::netlink::{Attributes, Batch, NetlinkError, Socket};
use crate::render::iptables::chains;
use crate::render::nft::{Hook, OWN_TABLE, chain_name};
use crate::{Dialect, Family, Is, Match, Prefix, Rule, RuleSet, Table, Target};

pub(super) const BATCH_BEGIN: u16 = 16;
pub(super) const BATCH_END: u16 = 17;
pub(super) const SUBSYSTEM: u16 = 10;
pub(super) const NEW_TABLE: u16 = SUBSYSTEM << 8;
const GET_TABLE: u16 = SUBSYSTEM << 8 | 1;
pub(super) const DELETE_TABLE: u16 = SUBSYSTEM << 8 | 2;
pub(super) const NEW_CHAIN: u16 = SUBSYSTEM << 8 | 3;
const GET_CHAIN: u16 = SUBSYSTEM << 8 | 4;
pub(super) const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
const GET_RULE: u16 = SUBSYSTEM << 8 | 7;

pub(super) const ACK: u16 = 4;
const DUMP: u16 = 0x300;
pub(super) const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
pub(super) const APPEND: u16 = 0x800;

const REGISTER: u32 = 1;
const SECOND: u32 = 2;
const IIFNAME: u32 = 6;
const OIFNAME: u32 = 7;
const L4PROTO: u32 = 16;
const STATE_ESTABLISHED_OR_RELATED: u32 = 2 | 4;
const STATUS_DNAT: u32 = 1 << 5;
const ROUTE_LOCAL: u32 = 2;

/// A chain that the kernel calls, of any table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BaseChain {
    /// IPv4 or IPv6, or both (`None`).
    pub family: Option<Family>,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Which packets: `enum nf_inet_hooks`, 2 for forwarded ones.
    pub hook: u32,
    /// Whether it drops what no rule decides on.
    pub drops: bool,
}

/// A rule of our own table as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnRule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its chain.
    pub chain: String,
    /// What we wrote beside it.
    pub comment: String,
}

impl Socket {
    /// Puts our own tables in place of what they were, in one step: all of it or nothing.
    ///
    /// Only a table that is there is removed: the kernel frees what was removed before it lets go of the socket, and waits
    /// for some milliseconds until nobody uses it any more (linux/net/netfilter/nf_tables_api.c, nft_rcv_nl_event).
    pub fn replace_rules(&self, rules: &RuleSet) -> Result<(), NetlinkError> {
        let there = self.own_tables()?;
        let wanted = |family: &Family| rules.rules.iter().any(|rule| rule.family == *family);
        let wanted: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(wanted).collect();
        let Some(&last) = wanted.last().or(there.last()) else { return Ok(()) };
        let mut batch = Batch::with_room(rules.rules.len() * RULE);
        batch.begin(BATCH_BEGIN, 0, &generic(None, SUBSYSTEM));
        there.iter().for_each(|family| table(&mut batch, DELETE_TABLE, 0, *family));
        for &family in &wanted {
            // Whoever made it meanwhile makes this fail, whole.
            table(&mut batch, NEW_TABLE, CREATE | EXCLUSIVE, family);
            Table::ALL.iter().for_each(|table| add_table(&mut batch, rules, family, *table));
        }
        // The last message before the end is the one that answers.
        table(&mut batch, NEW_TABLE, CREATE | ACK, last);
        if wanted.is_empty() {
            table(&mut batch, DELETE_TABLE, ACK, last);
        }
        let total = batch.sequence();
        batch.begin(BATCH_END, 0, &generic(None, SUBSYSTEM));
        self.send_until(batch, total)
    }

    /// The families in which we have a table.
    fn own_tables(&self) -> Result<Vec<Family>, NetlinkError> {
        let mut there = Vec::new();
        for family in [Family::V4, Family::V6] {
            let mut batch = Batch::default();
            table(&mut batch, GET_TABLE, 0, family);
            match self.exchange(batch, |_, _| there.push(family)) {
                Err(error) if error.code() == Some(libc::ENOENT) => {}
                other => other?,
            }
        }
        Ok(there)
    }

    /// The rules of our own tables, in order.
    pub fn own_rules(&self) -> Result<Vec<OwnRule>, NetlinkError> {
        let mut all = Vec::new();
        for family in [Family::V4, Family::V6] {
            let mut batch = Batch::default();
            batch.begin(GET_RULE, DUMP, &generic(Some(family), 0));
            batch.text(1, OWN_TABLE);
            let answered = self.exchange(batch, |kind, body| {
                all.extend((kind == NEW_RULE).then(|| own_rule(family, body)).flatten());
            });
            match answered {
                Err(error) if error.code() == Some(libc::ENOENT) => {}
                other => other?,
            }
        }
        Ok(all)
    }

    /// All chains that the kernel calls.
    pub fn base_chains(&self) -> Result<Vec<BaseChain>, NetlinkError> {
        let mut all = Vec::new();
        let mut batch = Batch::default();
        batch.begin(GET_CHAIN, DUMP, &generic(None, 0));
        self.exchange(batch, |kind, body| all.extend((kind == NEW_CHAIN).then(|| base_chain(body)).flatten()))?;
        Ok(all)
    }
}

/// Bytes of most rules as a message.
const RULE: usize = 512;

/// What we write beside a rule: for whom and why, and a mark by which a rule that was changed is noticed.
pub fn comment(rule: &Rule) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let mut text = String::with_capacity(MOST + 12);
    match rule.reason.len() <= MOST && rule.reason.bytes().all(|byte| is_plain(&byte)) {
        true => text.push_str(&rule.reason),
        false => text.extend(rule.reason.bytes().filter(is_plain).take(MOST).map(char::from)),
    }
    let _ = write!(text, " [{:08x}]", rule.mark() as u32);
    text
}

/// Bytes of a reason that are written beside a rule.
const MOST: usize = 100;

/// The rules as [`Socket::own_rules`] would give them back.
pub fn expected(rules: &RuleSet) -> Vec<OwnRule> {
    with_rules(rules).into_iter().map(|(own, _)| own).collect()
}

/// Rules that are not there, and what is there and is none of the rules; neither where only the order differs.
pub fn differences<'a>(rules: &'a RuleSet, live: &'a [OwnRule]) -> (Vec<&'a Rule>, Vec<&'a OwnRule>) {
    let wanted = with_rules(rules);
    let missing = wanted.iter().filter(|(own, _)| !live.contains(own)).map(|(_, rule)| *rule).collect();
    let unknown = live.iter().filter(|own| !wanted.iter().any(|(wanted, _)| wanted == *own)).collect();
    (missing, unknown)
}

fn with_rules(rules: &RuleSet) -> Vec<(OwnRule, &Rule)> {
    let mut all = Vec::new();
    let has = |family: &Family| rules.rules.iter().any(|rule| rule.family == *family);
    for family in [Family::V4, Family::V6].into_iter().filter(has) {
        for table in Table::ALL {
            for chain in chains(rules, family, table).iter().rev() {
                let own =
                    rules.rules.iter().filter(|rule| (rule.family, rule.table, &rule.chain) == (family, table, chain));
                all.extend(own.map(|rule| {
                    let chain = chain_name(Dialect::Own, table, chain);
                    (OwnRule { family, chain, comment: comment(rule) }, rule)
                }));
            }
        }
    }
    all
}

/// `struct nfgenmsg`.
pub(crate) fn generic(family: Option<Family>, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family.map_or(0, number), 0, high, low]
}

fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn table(batch: &mut Batch, kind: u16, flags: u16, family: Family) {
    batch.begin(kind, flags, &generic(Some(family), 0));
    batch.text(1, OWN_TABLE);
}

fn add_table(batch: &mut Batch, rules: &RuleSet, family: Family, table: Table) {
    for chain in chains(rules, family, table).iter().rev() {
        let hook = Hook::of(table, chain);
        if hook.is_some() && rules.of(family, table, chain).next().is_none() {
            continue;
        }
        batch.begin(NEW_CHAIN, CREATE, &generic(Some(family), 0));
        batch.text(1, OWN_TABLE);
        batch.text(3, &chain_name(Dialect::Own, table, chain));
        if let Some(hook) = hook {
            batch.nest(4, |batch| {
                batch.big(1, hook.number);
                batch.big(2, hook.priority as u32);
            });
            batch.big(5, 1);
            batch.text(7, hook.kind);
        }
        rules.of(family, table, chain).for_each(|rule| add_rule(batch, rule));
    }
}

fn add_rule(batch: &mut Batch, rule: &Rule) {
    batch.begin(NEW_RULE, CREATE | APPEND, &generic(Some(rule.family), 0));
    batch.text(1, OWN_TABLE);
    batch.text(2, &chain_name(Dialect::Own, rule.table, &rule.chain));
    batch.nest(4, |batch| {
        rule.matches.iter().for_each(|condition| matched(batch, condition, rule.family));
        target(batch, rule);
    });
    // libnftnl's user data: kind 0 is a comment, a length of one byte, a text with a zero byte.
    let text = [comment(rule).as_bytes(), &[0]].concat();
    batch.put(7, &[&[0, text.len() as u8], &*text].concat());
}

fn expression(batch: &mut Batch, name: &str, data: impl FnOnce(&mut Batch)) {
    batch.nest(1, |batch| {
        batch.text(1, name);
        batch.nest(2, data);
    });
}

fn compare(batch: &mut Batch, is: Is, value: &[u8]) {
    expression(batch, "cmp", |batch| {
        batch.big(1, REGISTER);
        batch.big(2, u32::from(is == Is::NotIn));
        batch.nest(3, |batch| batch.put(1, value));
    });
}

fn meta(batch: &mut Batch, key: u32) {
    expression(batch, "meta", |batch| {
        batch.big(2, key);
        batch.big(1, REGISTER);
    });
}

fn payload(batch: &mut Batch, base: u32, offset: u32, length: usize) {
    expression(batch, "payload", |batch| {
        batch.big(1, REGISTER);
        batch.big(2, base);
        batch.big(3, offset);
        batch.big(4, length as u32);
    });
}

fn mask(batch: &mut Batch, mask: &[u8]) {
    expression(batch, "bitwise", |batch| {
        batch.big(1, REGISTER);
        batch.big(2, REGISTER);
        batch.big(3, mask.len() as u32);
        batch.nest(4, |batch| batch.put(1, mask));
        batch.nest(5, |batch| batch.put(1, &vec![0; mask.len()]));
    });
}

/// One of the bits of what conntrack knows.
fn tracked(batch: &mut Batch, key: u32, bits: u32) {
    expression(batch, "ct", |batch| {
        batch.big(2, key);
        batch.big(1, REGISTER);
    });
    mask(batch, &bits.to_ne_bytes());
    compare(batch, Is::NotIn, &[0; 4]);
}

fn local(batch: &mut Batch, flag: u32) {
    expression(batch, "fib", |batch| {
        batch.big(1, REGISTER);
        batch.big(2, 3);
        batch.big(3, flag);
    });
    compare(batch, Is::In, &ROUTE_LOCAL.to_ne_bytes());
}

fn interface(batch: &mut Batch, key: u32, is: Is, name: &str) {
    let mut padded = [0; 16];
    let length = name.len().min(15);
    padded[..length].copy_from_slice(&name.as_bytes()[..length]);
    meta(batch, key);
    compare(batch, is, &padded);
}

fn address(batch: &mut Batch, family: Family, destination: bool, is: Is, prefix: Prefix) {
    let (offset, length) = match (family, destination) {
        (Family::V4, false) => (12, 4),
        (Family::V4, true) => (16, 4),
        (Family::V6, false) => (8, 16),
        (Family::V6, true) => (24, 16),
    };
    payload(batch, 1, offset, length);
    if usize::from(prefix.length) < length * 8 {
        let ones = |byte: usize| (0xff00u16 >> usize::from(prefix.length).saturating_sub(byte * 8).min(8)) as u8;
        mask(batch, &(0..length).map(ones).collect::<Vec<_>>());
    }
    compare(batch, is, &octets(prefix.network().address));
}

fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn layer4(batch: &mut Batch, number: u8) {
    meta(batch, L4PROTO);
    compare(batch, Is::In, &[number]);
}

fn port(batch: &mut Batch, protocol: Protocol, offset: u32, port: u16) {
    layer4(batch, protocol_number(protocol));
    payload(batch, 2, offset, 2);
    compare(batch, Is::In, &port.to_be_bytes());
}

fn matched(batch: &mut Batch, condition: &Match, family: Family) {
    match condition {
        Match::Source(is, prefix) => address(batch, family, false, *is, *prefix),
        Match::Destination(is, prefix) => address(batch, family, true, *is, *prefix),
        Match::In(is, name) => interface(batch, IIFNAME, *is, name),
        Match::Out(is, name) => interface(batch, OIFNAME, *is, name),
        Match::Protocol(protocol) => layer4(batch, protocol_number(*protocol)),
        Match::Icmp => layer4(batch, if family == Family::V4 { 1 } else { 58 }),
        Match::SourcePort(protocol, number) => port(batch, *protocol, 0, *number),
        Match::DestinationPort(protocol, number) => port(batch, *protocol, 2, *number),
        Match::Established => tracked(batch, 0, STATE_ESTABLISHED_OR_RELATED),
        Match::Rewritten => tracked(batch, 2, STATUS_DNAT),
        Match::SourceLocal => local(batch, 1),
        Match::DestinationLocal => local(batch, 2),
    }
}

fn verdict(batch: &mut Batch, code: i32, chain: Option<&str>) {
    expression(batch, "immediate", |batch| {
        batch.big(1, 0);
        batch.nest(2, |batch| {
            batch.nest(2, |batch| {
                batch.big(1, code as u32);
                chain.into_iter().for_each(|chain| batch.text(2, chain));
            });
        });
    });
}

fn load(batch: &mut Batch, register: u32, value: &[u8]) {
    expression(batch, "immediate", |batch| {
        batch.big(1, register);
        batch.nest(2, |batch| batch.put(1, value));
    });
}

fn translate(batch: &mut Batch, family: Family, kind: u32, address: &[u8], port: Option<u16>) {
    load(batch, REGISTER, address);
    port.into_iter().for_each(|port| load(batch, SECOND, &port.to_be_bytes()));
    expression(batch, "nat", |batch| {
        batch.big(1, kind);
        batch.big(2, number(family).into());
        batch.big(3, REGISTER);
        if port.is_some() {
            batch.big(5, SECOND);
        }
    });
}

fn target(batch: &mut Batch, rule: &Rule) {
    match &rule.target {
        Target::Drop => verdict(batch, 0, None),
        Target::Accept => verdict(batch, 1, None),
        Target::Jump(chain) => verdict(batch, -3, Some(&chain_name(Dialect::Own, rule.table, chain))),
        Target::Return => verdict(batch, -5, None),
        Target::Rewrite(address, port) => translate(batch, rule.family, 1, &octets(*address), Some(*port)),
        Target::SourceAs(address) => translate(batch, rule.family, 0, &octets(*address), None),
        Target::Masquerade => expression(batch, "masq", |_| ()),
        // Kernels from 4.10 on fill it in themselves; our own rules have none.
        Target::FillChecksum => {}
    }
}

fn own_rule(family: Family, body: &[u8]) -> Option<OwnRule> {
    let attributes = Attributes(body.get(4..)?);
    let data = attributes.get(7).unwrap_or_default();
    let text = data.get(2..).unwrap_or_default().split(|byte| *byte == 0).next()?;
    let comment = String::from_utf8_lossy(text).into_owned();
    Some(OwnRule { family, chain: attributes.text(2)?, comment })
}

fn base_chain(body: &[u8]) -> Option<BaseChain> {
    let attributes = Attributes(body.get(4..)?);
    let hook = attributes.inside(4)?.big(1)?;
    let family = match body[0] {
        2 => Some(Family::V4),
        10 => Some(Family::V6),
        1 => None,
        _ => return None,
    };
    let drops = attributes.big(5) == Some(0);
    Some(BaseChain { family, table: attributes.text(1)?, name: attributes.text(3)?, hook, drops })
}
