//! What a container finds in `/etc/hosts` and `/etc/resolv.conf`, as docker writes them.
//!
//! moby v20.10.24: vendor/github.com/docker/libnetwork/{etchosts/etchosts.go,resolvconf/resolvconf.go,
//! sandbox_dns_unix.go}, daemon/container_operations.go.

use std::net::IpAddr;

use crate::config::{Configs, Container, Mode};

/// The first lines of every `hosts` (etchosts.go, defaultContent).
pub const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                         ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// Where a container's questions for names are answered on networks of the user's.
pub const RESOLVER: &str = "127.0.0.11";

/// Whether a resolver answers the container: it is on a network of the user's.
pub fn has_resolver(container: &Container) -> bool {
    container.endpoints.iter().any(|end| end.network != "bridge")
}

/// Whether a container has files of its own, not those of the host or of another container.
pub fn has_own(container: &Container) -> bool {
    matches!(container.mode, Mode::Default | Mode::Named(_))
}

/// `hosts`: what every one has, names that were asked for, links, its own name. `gateway` is the address of `host-gateway`.
pub fn hosts(container: &Container, configs: &Configs, gateway: Option<IpAddr>) -> String {
    let mut text = HOSTS.to_owned();
    let mut line = |address: &str, names: &str| text.push_str(&format!("{address}\t{names}\n"));
    let gateway = gateway.map(|address| address.to_string()).unwrap_or_default();
    for (name, address) in &container.extra_hosts {
        let address = if address == "host-gateway" { &gateway } else { address };
        if !address.is_empty() {
            line(address, name);
        }
    }
    for (address, names) in linked(container, configs) {
        line(&address.to_string(), &names);
    }
    let own = match (container.hostname.as_str(), container.domain.as_str()) {
        ("", _) => container.short_id().to_owned(),
        (name, "") => name.to_owned(),
        (name, domain) => format!("{name}.{domain} {name}"),
    };
    for address in container.endpoints.iter().flat_map(|end| [end.address, end.address_v6]).flatten() {
        line(&address.address.to_string(), &own);
    }
    text
}

/// Links of the default network: the alias, the other's host name, and its name where that is another.
fn linked(container: &Container, configs: &Configs) -> Vec<(IpAddr, String)> {
    if !container.endpoints.iter().any(|end| end.network == "bridge") {
        return Vec::new();
    }
    let found = container.links.iter().filter_map(|link| {
        let target = configs.container(&link.target)?;
        let address = target.endpoints.iter().find(|end| end.network == "bridge")?.address?.address;
        let hostname = if target.hostname.is_empty() { target.short_id() } else { &target.hostname };
        let name = Some(&*target.name).filter(|name| *name != link.alias && !name.is_empty());
        let names = [Some(&*link.alias), Some(hostname), name];
        Some((address, names.into_iter().flatten().collect::<Vec<_>>().join(" ")))
    });
    found.collect()
}

/// A container's `resolv.conf`; `theirs` is the host's.
pub fn of_container(container: &Container, theirs: &str) -> String {
    let dns = &container.dns;
    if !has_resolver(container) {
        return resolv_conf(theirs, &dns.servers, &dns.search, &dns.options);
    }
    let mut options = dns.options.clone();
    if !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0".to_owned());
    }
    resolv_conf(theirs, &[RESOLVER.to_owned()], &dns.search, &options)
}

/// The host's own, but for what was asked for; a server on loopback answers nobody inside, so it goes, and where none is
/// left docker takes Google's (resolvconf.go, FilterResolvDNS).
pub fn resolv_conf(theirs: &str, servers: &[String], search: &[String], options: &[String]) -> String {
    let local =
        |line: &str| line.split_whitespace().nth(1).is_some_and(|server| server.starts_with("127.") || server == "::1");
    let keep = |line: &&str| match line.split_whitespace().next() {
        Some("nameserver") => servers.is_empty() && !local(line),
        Some("search" | "domain") => search.is_empty(),
        Some("options") => options.is_empty(),
        _ => false,
    };
    let mut lines: Vec<String> = theirs.lines().filter(keep).map(str::to_owned).collect();
    lines.extend(servers.iter().map(|server| format!("nameserver {server}")));
    if !lines.iter().any(|line| line.starts_with("nameserver")) {
        lines.extend(["nameserver 8.8.8.8".to_owned(), "nameserver 8.8.4.4".to_owned()]);
    }
    if !search.is_empty() && search != ["."] {
        lines.push(format!("search {}", search.join(" ")));
    }
    if !options.is_empty() {
        lines.push(format!("options {}", options.join(" ")));
    }
    lines.join("\n") + "\n"
}

/// The host's file with the servers themselves: behind systemd-resolved's own on 127.0.0.53 it is another one
/// (resolvconf.go, Path).
pub fn path_of_host(etc: &str) -> &'static str {
    let servers: Vec<_> = etc.lines().filter_map(|line| line.strip_prefix("nameserver")).map(str::trim).collect();
    if servers == ["127.0.0.53"] { "/run/systemd/resolve/resolv.conf" } else { "/etc/resolv.conf" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs() -> Configs {
        let json = r#"[
            {"Id":"aaaaaaaaaaaaaaaa","Name":"/db","State":{"Running":true},"Config":{"Hostname":"store"},"HostConfig":{},
             "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.2","IPPrefixLen":16}}}},
            {"Id":"bbbbbbbbbbbbbbbb","Name":"/web","State":{"Running":true},
             "Config":{"Hostname":"app","Domainname":"example.com"},
             "HostConfig":{"Links":["/db:/web/web-db","/gone:/web/x"],"ExtraHosts":["a:192.0.2.7","b:host-gateway"],
                           "DnsSearch":["lan"]},
             "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.3","IPPrefixLen":16}}}},
            {"Id":"cccccccccccccccc","Name":"/own","State":{"Running":true},"Config":{},
             "HostConfig":{"NetworkMode":"n","Dns":["192.0.2.53"],"DnsOptions":["timeout:1"]},
             "NetworkSettings":{"Networks":{"n":{"IPAddress":"172.18.0.3","IPPrefixLen":16}}}}]"#;
        crate::inspect::parse(json.as_bytes()).unwrap().0
    }

    #[test]
    fn hosts_has_what_was_asked_for_then_links_then_itself() {
        let configs = configs();
        let written = |name: &str| hosts(configs.container(name).unwrap(), &configs, "172.17.0.1".parse().ok());
        let rest = "192.0.2.7\ta\n172.17.0.1\tb\n172.17.0.2\tweb-db store db\n172.17.0.3\tapp.example.com app\n";
        assert_eq!(written("web"), format!("{HOSTS}{rest}"));
        assert_eq!(written("own"), format!("{HOSTS}172.18.0.3\tcccccccccccc\n"));
    }

    #[test]
    fn resolv_conf_names_the_resolver_on_networks_of_the_users_alone() {
        let configs = configs();
        let theirs = "# note\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch corp\noptions edns0\n";
        for (name, expected) in [
            ("db", "nameserver 10.0.0.1\nsearch corp\noptions edns0\n"),
            ("web", "nameserver 10.0.0.1\noptions edns0\nsearch lan\n"),
            ("own", "search corp\nnameserver 127.0.0.11\noptions timeout:1 ndots:0\n"),
        ] {
            assert_eq!(of_container(configs.container(name).unwrap(), theirs), expected, "{name}");
        }
        let none = of_container(configs.container("db").unwrap(), "nameserver 127.0.0.1\n");
        assert_eq!(none, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
    }
}
