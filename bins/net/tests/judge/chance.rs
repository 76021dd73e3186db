//! Commands taken by chance, the same for the same number.

use std::collections::BTreeSet;

use super::Judge;

/// Commands of a number.
const COMMANDS: usize = 12;
/// Docker listens on published ports itself, and a kernel may have no SCTP.
const PROTOCOLS: &[&str] = &["", "", "/tcp", "/udp"];

/// Compares with the judge after each command of a number; `NET_CHANCE=FROM-TO` takes others than the one that found most.
pub fn check(judge: &Judge) {
    let first = if judge.version == "28" { [3; 2] } else { [12; 2] };
    let asked = std::env::var("NET_CHANCE").unwrap_or_default();
    let asked: Vec<u64> = asked.split('-').filter_map(|number| number.parse().ok()).collect();
    let [first, last] = <[u64; 2]>::try_from(asked).unwrap_or(first);
    for number in first..=last {
        let mut chance = Chance::new(number, judge.version == "28");
        let (flags, commands) = (chance.flags(), chance.commands());
        eprintln!("number {number}: {flags}\n{commands}");
        judge.check(&flags, &commands);
    }
}

/// What was made so far.
struct Chance {
    state: u64,
    is_28: bool,
    ipv6: bool,
    networks: Vec<Network>,
    containers: Vec<Container>,
    named: usize,
    /// The container that was started last.
    last: String,
    port: u64,
}

struct Network {
    name: String,
    internal: bool,
    subnet: Option<u64>,
}

struct Container {
    name: String,
    network: Option<usize>,
    others: BTreeSet<usize>,
    running: bool,
    published: bool,
    /// Whether others are linked to it: of one that stops, 20.10 leaves their rules behind.
    linked: bool,
}

impl Chance {
    fn new(number: u64, is_28: bool) -> Chance {
        let state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let (networks, containers) = (Vec::new(), Vec::new());
        Chance { state, is_28, ipv6: false, networks, containers, named: 0, last: String::new(), port: 8000 }
    }

    /// A number below `end` (xorshift).
    fn below(&mut self, end: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    fn flags(&mut self) -> String {
        let mut flags = Vec::new();
        for (count, flag) in [
            (4, "--icc=false"),
            (3, "--userland-proxy=false"),
            (5, "--ip-masq=false"),
            (5, "--bip=10.8.0.1/24"),
            (5, "--mtu=1400"),
            (6, "--ip=127.0.0.1"),
            (9, "--ip-forward=false"),
        ] {
            if self.one_in(count) {
                flags.push(flag);
            }
        }
        if flags.contains(&"--bip=10.8.0.1/24") && self.one_in(2) {
            flags.push("--fixed-cidr=10.8.0.128/25");
        }
        if self.one_in(2) {
            self.ipv6 = true;
            flags.extend(["--ipv6", "--fixed-cidr-v6=fd00:1::/64"]);
            flags.extend(["--ip6tables", "--experimental"].iter().filter(|_| !self.is_28));
        }
        if self.is_28 && self.one_in(6) {
            flags.push("--allow-direct-routing");
        }
        flags.join(" ")
    }

    fn commands(&mut self) -> String {
        let mut all = Vec::new();
        while all.len() < COMMANDS {
            let command = match self.below(10) {
                0..2 if self.networks.len() < 4 => Some(self.network()),
                0..6 if self.containers.len() < 7 => Some(self.run()),
                6..8 => self.connect(),
                _ => self.other(),
            };
            all.extend(command);
        }
        all.join("\n")
    }

    fn network(&mut self) -> String {
        let number = self.networks.len() as u64;
        let name = format!("{}{number}", self.one_of(&["a", "m", "z"]));
        let mut words = vec!["network create".to_owned()];
        let internal = self.one_in(4);
        words.extend(internal.then(|| "--internal".to_owned()));
        let subnet = self.one_in(2).then_some(number);
        if let Some(number) = subnet {
            words.push(format!("--subnet 10.{}.0.0/24", 20 + number));
            words.extend(self.one_in(3).then(|| format!("--gateway 10.{}.0.5", 20 + number)));
            words.extend(self.one_in(3).then(|| format!("--ip-range 10.{}.0.128/25", 20 + number)));
        }
        let ipv6 = self.one_in(3);
        if ipv6 {
            words.push(format!("--ipv6 --subnet fd00:{}::/64", 20 + number));
        }
        let option = |word: &str| format!("-o com.docker.network.{word}");
        for (count, word) in [
            (5, "bridge.enable_icc=false"),
            (5, "bridge.enable_ip_masquerade=false"),
            (6, "driver.mtu=1300"),
            (6, "bridge.host_binding_ipv4=127.0.0.1"),
            (7, "host_ipv4=127.0.0.9"),
        ] {
            let fits = !ipv6 || word != "host_ipv4=127.0.0.9";
            words.extend(self.one_in(count).then(|| option(word)).filter(|_| fits));
        }
        words.extend(self.one_in(4).then(|| option(&format!("bridge.name=own{number}"))));
        if self.is_28 && !internal && self.one_in(2) {
            let mode = self.one_of(&["routed", "nat-unprotected", "nat"]);
            let family = self.one_of(&["4", "6"]);
            words.push(option(&format!("bridge.gateway_mode_ipv{family}={mode}")));
            words.extend(self.one_in(3).then(|| option("bridge.trusted_host_interfaces=lo:eth9")));
        }
        words.push(name.clone());
        self.networks.push(Network { name, internal, subnet });
        words.join(" ")
    }

    fn run(&mut self) -> String {
        self.named += 1;
        let number = self.named;
        let name = format!("{}{number}", self.one_of(&["b", "k", "y"]));
        let mut words = vec![format!("run --name {name}")];
        let network =
            (!self.networks.is_empty() && self.one_in(2)).then(|| self.below(self.networks.len() as u64) as usize);
        if let Some(network) = network {
            let (name, subnet) = (self.networks[network].name.clone(), self.networks[network].subnet);
            words.push(format!("--network {name}"));
            if let Some(subnet) = subnet.filter(|_| self.one_in(3)) {
                words.push(format!("--ip 10.{}.0.{}", 20 + subnet, 200 + number));
            }
            words.extend(self.one_in(4).then(|| "--network-alias other".to_owned()));
        } else if self.one_in(9) {
            words.push(format!("--network {}", self.one_of(&["host", "none"])));
            return words.join(" ");
        }
        let is_linked = self.one_in(3);
        let fits = |other: &&mut Container| is_linked && other.network == network && other.running;
        if let Some(other) = self.containers.iter_mut().find(fits) {
            other.linked = true;
            words.push(format!("--link {}:friend", other.name));
        }
        for _ in 0..self.below(3) {
            words.push(format!("--expose {}{}", 50 + self.below(9), self.one_of(PROTOCOLS)));
        }
        let published = self.ports(&mut words);
        self.last.clone_from(&name);
        self.containers.push(Container {
            name,
            network,
            others: BTreeSet::new(),
            running: true,
            published,
            linked: false,
        });
        words.join(" ")
    }

    /// The higher the port inside, the higher the host's.
    fn ports(&mut self, words: &mut Vec<String>) -> bool {
        let count = self.below(4);
        for index in 0..count {
            let (inside, protocol) = (80 + 10 * index, self.one_of(PROTOCOLS));
            self.port += 10;
            let outside = self.port;
            let port = match self.below(9).max(u64::from(index > 0)) {
                0 => format!("127.0.0.1::{inside}"),
                1 => format!("127.0.0.1:{outside}:{inside}"),
                2 => format!("{outside}-{}:{inside}-{}", outside + 2, inside + 2),
                3 => format!("{outside}-{}:{inside}", outside + 5),
                4 => format!("0.0.0.0:{outside}:{inside}"),
                5 if self.ipv6 => format!("[::1]:{outside}:{inside}"),
                6 => format!("{outside}:{inside}{protocol} -p {}:{inside}", outside + 1),
                _ => format!("{outside}:{inside}"),
            };
            words.push(format!("-p {port}{protocol}"));
        }
        words.extend(self.one_in(5).then(|| "-P".to_owned()));
        count > 0
    }

    /// When a container was connected no record tells: here it is the one that was started last. Ports of one whose gateway
    /// moves get their rules anew, in an order that no record tells: none here moves.
    fn connect(&mut self) -> Option<String> {
        if self.containers.is_empty() || self.networks.is_empty() {
            return None;
        }
        let at = self.containers.iter().position(|container| container.name == self.last)?;
        let network = self.below(self.networks.len() as u64) as usize;
        let name = self.networks[network].name.clone();
        let container = &mut self.containers[at];
        if container.network == Some(network) || !container.running || container.published {
            return None;
        }
        match container.others.insert(network) {
            true => Some(format!("network connect {name} {}", container.name)),
            false => {
                container.others.remove(&network);
                Some(format!("network disconnect {name} {}", container.name))
            }
        }
    }

    fn other(&mut self) -> Option<String> {
        if self.containers.is_empty() {
            return None;
        }
        let at = self.below(self.containers.len() as u64) as usize;
        let verb = self.one_of(&["stop", "restart", "rm"]);
        let container = Some(&mut self.containers[at]).filter(|container| !container.linked)?;
        let name = &container.name;
        match verb {
            "rm" => {
                let gone = self.containers.remove(at);
                Some(format!("rm -f {}", gone.name))
            }
            "stop" if container.running => {
                container.running = false;
                Some(format!("stop -t 0 {name}"))
            }
            _ if !container.running => {
                container.running = true;
                self.last.clone_from(name);
                Some(format!("start {name}"))
            }
            "restart" => {
                self.last.clone_from(name);
                Some(format!("restart -t 0 {name}"))
            }
            _ => None,
        }
    }
}
