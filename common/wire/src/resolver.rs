//! Names inside user-defined networks: what docker answers on 127.0.0.11.
//!
//! [`Names`] is data: which name has which address, seen from one container. [`answer`] reads a question and writes the
//! answer (RFC 1035), or says that others have to be asked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::Configs;

/// Seconds that an answer may be kept, as docker's has it (libnetwork, resolver.go, respTTL).
const SECONDS: u32 = 600;
const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;

/// Names and addresses that a container sees, in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    names: BTreeMap<IpAddr, String>,
    /// Whether other names are asked for outside: not from internal networks alone.
    pub forwards: bool,
}

impl Names {
    /// Those of the containers that are on a network with this one: names, ids' first twelve digits, aliases, links, each
    /// also with the network's name behind a dot. The default network has none.
    pub fn of(configs: &Configs, id: &str) -> Names {
        let mut names = Names::default();
        let Some(own) = configs.containers.iter().find(|container| container.id == id) else { return names };
        for end in own.endpoints.iter().filter(|end| end.network != "bridge") {
            let network = configs.networks.iter().find(|network| network.name == end.network);
            names.forwards |= network.is_none_or(|network| !network.internal);
            for other in &configs.containers {
                let there = other.endpoints.iter().filter(|there| there.network == end.network);
                for there in there {
                    let linked = end.links.iter().filter(|link| link.target == other.name || link.target == other.id);
                    let linked = linked.map(|link| &*link.alias);
                    let all = [other.name.as_str(), other.short_id()].into_iter();
                    let all = all.chain(there.aliases.iter().map(String::as_str)).chain(linked);
                    for address in [there.address, there.address_v6].into_iter().flatten().map(|prefix| prefix.address)
                    {
                        all.clone().for_each(|name| names.add(name, &end.network, address));
                    }
                }
            }
        }
        names.forwards |= own.endpoints.iter().any(|end| end.network == "bridge");
        names
    }

    fn add(&mut self, name: &str, network: &str, address: IpAddr) {
        if name.is_empty() {
            return;
        }
        for name in [name.to_lowercase(), format!("{name}.{network}").to_lowercase()] {
            let all = self.addresses.entry(name).or_default();
            if !all.contains(&address) {
                all.push(address);
            }
        }
        self.names.entry(address).or_insert_with(|| format!("{name}.{network}").to_lowercase());
    }
}

/// The answer to a question; `None` where it is not ours to answer.
pub fn answer(question: &[u8], names: &Names) -> Option<Vec<u8>> {
    let (name, kind, end) = read(question)?;
    let records: Vec<Vec<u8>> = if kind == PTR {
        vec![labels(names.names.get(&reversed(&name)?)?)]
    } else {
        let wanted = |address: &&IpAddr| (kind == A && address.is_ipv4()) || (kind == AAAA && address.is_ipv6());
        names
            .addresses
            .get(&name)?
            .iter()
            .filter(wanted)
            .map(|address| crate::netlink::link::octets(*address))
            .collect()
    };
    let mut text = question[..end].to_vec();
    // A response without error, from one that knows recursion; the question's own wish for it stays.
    text[2] = 0x80 | (question[2] & 0x79);
    text[3] = 0x80;
    text[6..12].copy_from_slice(&[0, records.len() as u8, 0, 0, 0, 0]);
    for record in records {
        text.extend([0xc0, 12]);
        text.extend(kind.to_be_bytes());
        text.extend([0, 1]);
        text.extend(SECONDS.to_be_bytes());
        text.extend((record.len() as u16).to_be_bytes());
        text.extend(record);
    }
    Some(text)
}

/// Whether a question is for the address of a name without a dot.
pub fn is_short(question: &[u8]) -> bool {
    read(question).is_some_and(|(name, kind, _)| [A, AAAA].contains(&kind) && !name.contains('.'))
}

/// That there is no record (0), or a question cannot be answered: nobody to be asked is there (RFC 1035, RCODE 2), or none has it (RCODE 3).
pub fn failure(question: &[u8], code: u8) -> Vec<u8> {
    let end = read(question).map_or(12.min(question.len()), |(_, _, end)| end);
    let mut text = question[..end].to_vec();
    if text.len() >= 12 {
        text[2] |= 0x80;
        text[3] = 0x80 | code;
        text[6..12].fill(0);
    }
    text
}

/// Name in lower case, kind, and where the question ends. `None` for what has not one question of the Internet's class.
fn read(question: &[u8]) -> Option<(String, u16, usize)> {
    let number = |at: usize| Some(u16::from_be_bytes(question.get(at..at + 2)?.try_into().ok()?));
    if question.get(2)? & 0xf8 != 0 || number(4)? != 1 {
        return None;
    }
    let mut at = 12;
    let mut name = Vec::new();
    while let length @ 1.. = usize::from(*question.get(at)?) {
        let label = question.get(at + 1..at + 1 + length).filter(|_| length < 64)?;
        name.push(String::from_utf8_lossy(label).to_lowercase());
        at += 1 + length;
    }
    (number(at + 3)? == 1).then_some((name.join("."), number(at + 1)?, at + 5))
}

/// The address of `2.0.18.172.in-addr.arpa`, or of the 32 digits of IPv6 before `ip6.arpa`.
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".ip6.arpa") {
        let digits: String = digits.split('.').rev().collect();
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
        return Some(std::net::Ipv6Addr::from(number).into());
    }
    let parts: Vec<u8> =
        name.strip_suffix(".in-addr.arpa")?.split('.').rev().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    Some(<[u8; 4]>::try_from(parts).ok()?.into())
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(id: &str) -> Names {
        let json = r#"[{"Name":"n1","Id":"n","Driver":"bridge","IPAM":{},"Internal":false},
            {"Id":"aaaaaaaaaaaaaaaa","Name":"/Web","State":{"Running":true},"Config":{},"HostConfig":{"NetworkMode":"n1"},
             "NetworkSettings":{"Networks":{"n1":{"IPAddress":"172.18.0.2","IPPrefixLen":16,"Aliases":["www"],
              "GlobalIPv6Address":"fd00::2","GlobalIPv6PrefixLen":64}}}},
            {"Id":"bbbbbbbbbbbbbbbb","Name":"/db","State":{"Running":true},"Config":{},"HostConfig":{"NetworkMode":"n1"},
             "NetworkSettings":{"Networks":{"n1":{"IPAddress":"172.18.0.3","IPPrefixLen":16,"Links":["Web:front"]}}}},
            {"Id":"cccccccccccccccc","Name":"/far","State":{"Running":true},"Config":{},"HostConfig":{},
             "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.3","IPPrefixLen":16}}}}]"#;
        Names::of(&crate::inspect::parse(json.as_bytes()).unwrap().0, id)
    }

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        [&head[..], &labels(name), &kind.to_be_bytes(), &[0, 1]].concat()
    }

    /// The last record's data, and how many there are.
    fn check(name: &str, kind: u16, expected: Option<(u8, &[u8])>) {
        let answered = answer(&question(name, kind), &names("bbbbbbbbbbbbbbbb"));
        let got =
            answered.as_ref().map(|text| (text[7], &text[text.len() - expected.map_or(0, |(_, data)| data.len())..]));
        assert_eq!(got, expected, "{name}");
        assert!(answered.is_none_or(|text| text[..4] == [0x12, 0x34, 0x81, 0x80]), "{name}");
    }

    #[test]
    fn names_ids_aliases_and_links_of_the_same_network_are_known() {
        let web: &[u8] = &[172, 18, 0, 2];
        for name in ["web", "WEB.n1", "aaaaaaaaaaaa", "www", "front"] {
            check(name, A, Some((1, web)));
        }
        check("db", A, Some((1, &[172, 18, 0, 3])));
        check("db", AAAA, Some((0, &[])));
        check("web", AAAA, Some((1, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2])));
        let six = format!("2.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
        check(&six, PTR, Some((1, &labels("web.n1"))));
        check("2.0.18.172.in-addr.arpa", PTR, Some((1, &labels("web.n1"))));
        check("far", A, None);
        check("example.org", A, None);
    }

    #[test]
    fn broken_questions_are_not_answered() {
        let whole = question("web", A);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], &names("bbbbbbbbbbbbbbbb")), None, "{length} bytes");
        }
    }
}
