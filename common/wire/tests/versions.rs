//! Plans of the versions that no daemon was at hand for, against what their sources do and listings of their time show.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use serde_json::{Value, json};
use wire::{Daemon, Dialect, Family, Selection};

fn check(dialect: Dialect, daemon: &Daemon, objects: &Value, expected: &[&str]) {
    let (configs, findings) = wire::inspect::read(objects);
    assert_eq!(findings, []);
    let (plan, _) = wire::plan(&configs, daemon, dialect, &Selection::Live);
    let text = wire::render::iptables::restore(&plan.rules, Family::V4);
    let rules: Vec<_> = text.lines().filter(|line| line.starts_with("-A")).collect();
    assert_eq!(rules, expected);
}

fn old(name: &str, address: &str, settings: Value, links: Value) -> Value {
    let mut network = json!({ "IPAddress": address, "IPPrefixLen": 16, "Gateway": "172.17.42.1", "Bridge": "docker0" });
    network.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    json!({
        "ID": name.repeat(32), "Name": format!("/{name}"), "State": { "Running": true, "Pid": 7 },
        "Config": { "PortSpecs": ["6379"], "ExposedPorts": { "6379/tcp": {} } }, "HostConfig": { "Links": links },
        "NetworkSettings": network,
    })
}

#[test]
fn docker_0_6_translates_addresses_and_nothing_else() {
    let redis =
        old("f1", "172.17.0.4", json!({ "PortMapping": { "Tcp": { "6379": "49153" }, "Udp": {} } }), Value::Null);
    check(
        Dialect::Docker06,
        &Daemon::default(),
        &redis,
        &[
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
            "-A POSTROUTING -s 172.17.0.0/16 ! -d 172.17.0.0/16 -j MASQUERADE",
            "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 49153 -j DNAT --to-destination 172.17.0.4:6379",
        ],
    );
}

#[test]
fn a_stopped_container_of_0_6_gets_its_address_and_port_again_when_asked() {
    let stopped = json!({ "ID": "f1", "State": { "Running": false }, "Config": { "PortSpecs": ["6379"] }, "NetworkSettings": {} });
    let (configs, _) = wire::inspect::read(&stopped);
    for (selection, ports) in [(Selection::Live, 0), (Selection::All, 1), (Selection::Named(vec!["f1".into()]), 1)] {
        let (plan, _) = wire::plan(&configs, &Daemon::default(), Dialect::Docker06, &selection);
        assert_eq!(plan.ports.len(), ports);
        let led = |port: &wire::Port| (port.host_port, port.address.to_string());
        assert!(plan.ports.iter().all(|port| led(port) == (49153, "172.17.0.2".to_owned())));
    }
}

#[test]
fn docker_1_2_inserts_ports_and_links_above_the_rest() {
    let published = json!({ "Ports": { "6379/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "49153" }] } });
    let objects = json!([
        old("db", "172.17.0.2", published, Value::Null),
        old("ap", "172.17.0.3", json!({ "Ports": {} }), json!(["/db:/ap/store"])),
    ]);
    check(
        Dialect::Docker12,
        &Daemon { icc: Some(false), ..Daemon::default() },
        &objects,
        &[
            "-A FORWARD -s 172.17.0.2/32 -d 172.17.0.3/32 -i docker0 -o docker0 -p tcp -m tcp --sport 6379 -j ACCEPT",
            "-A FORWARD -s 172.17.0.3/32 -d 172.17.0.2/32 -i docker0 -o docker0 -p tcp -m tcp --dport 6379 -j ACCEPT",
            "-A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 6379 -j ACCEPT",
            "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
            "-A FORWARD -i docker0 -o docker0 -j DROP",
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
            "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
            "-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 49153 -j DNAT --to-destination 172.17.0.2:6379",
        ],
    );
}

#[test]
fn docker_28_closes_containers_in_raw_and_at_the_end_of_its_chain() {
    let objects = json!([
        { "Name": "n", "Id": "n1", "Driver": "bridge", "Created": "2025-01-01T00:00:00Z", "IPAM": { "Config": [{ "Subnet": "10.9.0.0/24" }] },
          "Options": { "com.docker.network.bridge.name": "b1", "com.docker.network.bridge.enable_icc": "false" } },
        { "Id": "c1", "Name": "/web", "State": { "Running": true }, "Config": {}, "HostConfig": { "NetworkMode": "n" },
          "NetworkSettings": { "Ports": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }] },
            "Networks": { "n": { "IPAddress": "10.9.0.2", "IPPrefixLen": 24 } } } },
    ]);
    check(
        Dialect::Docker28,
        &Daemon { bridge: Some("none".into()), ..Daemon::default() },
        &objects,
        &[
            "-A PREROUTING -d 10.9.0.2/32 ! -i b1 -j DROP",
            "-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP",
            "-A FORWARD -j DOCKER-USER",
            "-A FORWARD -j DOCKER-FORWARD",
            "-A DOCKER -d 10.9.0.2/32 ! -i b1 -o b1 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-A DOCKER ! -i b1 -o b1 -j DROP",
            "-A DOCKER-BRIDGE -o b1 -j DOCKER",
            "-A DOCKER-CT -o b1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A DOCKER-FORWARD -j DOCKER-CT",
            "-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1",
            "-A DOCKER-FORWARD -j DOCKER-BRIDGE",
            "-A DOCKER-FORWARD -i b1 -o b1 -j DROP",
            "-A DOCKER-FORWARD -i b1 ! -o b1 -j ACCEPT",
            "-A DOCKER-ISOLATION-STAGE-1 -i b1 ! -o b1 -j DOCKER-ISOLATION-STAGE-2",
            "-A DOCKER-ISOLATION-STAGE-2 -o b1 -j DROP",
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
            "-A POSTROUTING -s 10.9.0.0/24 ! -o b1 -j MASQUERADE",
            "-A DOCKER -i b1 -j RETURN",
            "-A DOCKER -d 127.0.0.1/32 ! -i b1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.9.0.2:80",
        ],
    );
}

/// As moby's own listing says (v28.1.1 and v28.2.2 integration/network/bridge/iptablesdoc/generated/usernet-portmap-lo.md).
#[test]
fn docker_28_up_to_2_closed_containers_otherwise() {
    let objects = json!([
        { "Name": "bridge1", "Id": "n1", "Driver": "bridge", "Created": "2025-01-01T00:00:00Z",
          "IPAM": { "Config": [{ "Subnet": "192.0.2.0/24" }] }, "Options": { "com.docker.network.bridge.name": "bridge1" } },
        { "Id": "c1", "Name": "/web", "State": { "Running": true }, "Config": {}, "HostConfig": { "NetworkMode": "bridge1" },
          "NetworkSettings": { "Ports": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }] },
            "Networks": { "bridge1": { "IPAddress": "192.0.2.2", "IPPrefixLen": 24 } } } },
    ]);
    let loopback = "-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP";
    let by_port = "-A PREROUTING -d 192.0.2.2/32 ! -i bridge1 -p tcp -m tcp --dport 80 -j DROP";
    let by_address = "-A PREROUTING -d 192.0.2.2/32 ! -i bridge1 -j DROP";
    for (dialect, raw, of_user) in [
        (Dialect::Docker281, [loopback, by_port], &["-A DOCKER-USER -j RETURN"][..]),
        (Dialect::Docker282, [by_address, loopback], &["-A DOCKER-USER -j RETURN"]),
        (Dialect::Docker28, [by_address, loopback], &[]),
    ] {
        let rest = [
            "-A FORWARD -j DOCKER-USER",
            "-A FORWARD -j DOCKER-FORWARD",
            "-A DOCKER -d 192.0.2.2/32 ! -i bridge1 -o bridge1 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-A DOCKER ! -i bridge1 -o bridge1 -j DROP",
            "-A DOCKER-BRIDGE -o bridge1 -j DOCKER",
            "-A DOCKER-CT -o bridge1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A DOCKER-FORWARD -j DOCKER-CT",
            "-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1",
            "-A DOCKER-FORWARD -j DOCKER-BRIDGE",
            "-A DOCKER-FORWARD -i bridge1 -j ACCEPT",
            "-A DOCKER-ISOLATION-STAGE-1 -i bridge1 ! -o bridge1 -j DOCKER-ISOLATION-STAGE-2",
            "-A DOCKER-ISOLATION-STAGE-2 -o bridge1 -j DROP",
        ];
        let nat = [
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
            "-A POSTROUTING -s 192.0.2.0/24 ! -o bridge1 -j MASQUERADE",
            "-A DOCKER -i bridge1 -j RETURN",
            "-A DOCKER -d 127.0.0.1/32 ! -i bridge1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.0.2.2:80",
        ];
        let daemon = Daemon { bridge: Some("none".into()), ..Daemon::default() };
        check(dialect, &daemon, &objects, &[&raw[..], &rest, of_user, &nat].concat());
    }
}

#[test]
fn a_gateway_of_its_own_is_containers_and_not_the_bridges() {
    // As docker 20.10.24 tells it of `--default-gateway 172.17.0.254`.
    let container = json!({ "Id": "c1", "Name": "/web", "State": { "Running": true }, "Config": {}, "HostConfig": {},
        "NetworkSettings": { "Networks": {
            "bridge": { "IPAddress": "172.17.0.2", "IPPrefixLen": 16, "Gateway": "172.17.0.254" } } } });
    let network = json!({ "Name": "bridge", "Id": "b1", "Driver": "bridge", "IPAM": { "Config": [
        { "Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1", "AuxiliaryAddresses": { "DefaultGatewayIPv4": "172.17.0.254" } }] } });
    let told = Daemon { default_gateway: "172.17.0.254".parse().ok(), ..Daemon::default() };
    for (objects, daemon) in [(json!([network, container]), Daemon::default()), (json!([container]), told)] {
        let (configs, _) = wire::inspect::read(&objects);
        let (plan, _) = wire::plan(&configs, &daemon, Dialect::Docker20, &Selection::Live);
        assert_eq!(plan.bridges[0].addresses[0].to_string(), "172.17.0.1/16");
        assert_eq!(plan.interfaces[0].gateways[0].to_string(), "172.17.0.254");
    }
}

/// Two networks and a container on both, for 28; the rules that name any of the words.
fn on_two_networks(daemon: &Daemon, second: Value, settings: Value, words: &[&str], family: Family) -> Vec<String> {
    let objects = json!([
        { "Name": "a", "Id": "a1", "Driver": "bridge", "Created": "2025-01-01T00:00:00Z",
          "IPAM": { "Config": [{ "Subnet": "10.1.0.0/24" }] }, "Options": { "com.docker.network.bridge.name": "b-a" } },
        second,
        { "Id": "c1", "Name": "/web", "State": { "Running": true, "StartedAt": "2025-01-02T00:00:00Z" }, "Config": {},
          "HostConfig": { "NetworkMode": "a" }, "NetworkSettings": settings },
    ]);
    let (configs, findings) = wire::inspect::read(&objects);
    assert_eq!(findings, []);
    let daemon = Daemon { bridge: Some("none".into()), ..daemon.clone() };
    let (plan, _) = wire::plan(&configs, &daemon, Dialect::Docker28, &Selection::Live);
    let text = wire::render::iptables::restore(&plan.rules, family);
    let named = |line: &&str| line.starts_with("-A") && words.iter().any(|word| line.contains(word));
    text.lines().filter(named).map(str::to_owned).collect()
}

#[test]
fn docker_28_goes_out_by_the_network_that_has_both_families() {
    let second = json!({ "Name": "z", "Id": "z1", "Driver": "bridge", "Created": "2025-01-03T00:00:00Z", "EnableIPv6": true,
        "IPAM": { "Config": [{ "Subnet": "10.2.0.0/24" }, { "Subnet": "fd00:2::/64" }] },
        "Options": { "com.docker.network.bridge.name": "b-z" } });
    let settings = json!({
        "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }, { "HostIp": "::", "HostPort": "8080" }] },
        "Networks": { "a": { "IPAddress": "10.1.0.2", "IPPrefixLen": 24 },
            "z": { "IPAddress": "10.2.0.2", "IPPrefixLen": 24, "GlobalIPv6Address": "fd00:2::2", "GlobalIPv6PrefixLen": 64 } },
    });
    let rules = |family| {
        on_two_networks(&Daemon::default(), second.clone(), settings.clone(), &["DNAT", "PREROUTING -d"], family)
    };
    let four = [
        "-A PREROUTING -d 10.1.0.2/32 ! -i b-a -j DROP",
        "-A PREROUTING -d 10.2.0.2/32 ! -i b-z -j DROP",
        "-A DOCKER ! -i b-z -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80",
    ];
    assert_eq!(rules(Family::V4), four);
    let six = [
        "-A PREROUTING -d fd00:2::2/128 ! -i b-z -j DROP",
        "-A DOCKER ! -s fe80::/10 ! -i b-z -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00:2::2]:80",
    ];
    assert_eq!(rules(Family::V6), six);
}

#[test]
fn docker_28_lets_trusted_interfaces_and_direct_routing_through() {
    let second = json!({ "Name": "t", "Id": "t1", "Driver": "bridge", "Created": "2025-01-03T00:00:00Z",
        "IPAM": { "Config": [{ "Subnet": "10.2.0.0/24" }] }, "Options": { "com.docker.network.bridge.name": "b-t",
            "com.docker.network.bridge.trusted_host_interfaces": "vpn0:vpn1" } });
    let settings = json!({ "Ports": {}, "Networks": { "t": { "IPAddress": "10.2.0.2", "IPPrefixLen": 24 } } });
    let rules = |daemon| on_two_networks(&daemon, second.clone(), settings.clone(), &["PREROUTING -d"], Family::V4);
    let closed = [
        "-A PREROUTING -d 10.2.0.2/32 -i vpn0 -j ACCEPT",
        "-A PREROUTING -d 10.2.0.2/32 -i vpn1 -j ACCEPT",
        "-A PREROUTING -d 10.2.0.2/32 ! -i b-t -j DROP",
    ];
    assert_eq!(rules(Daemon::default()), closed);
    assert_eq!(rules(Daemon { allow_direct_routing: Some(true), ..Daemon::default() }), [""; 0]);
}

#[test]
fn what_runs_and_was_taken_from_its_network_is_on_none() {
    let detached = json!([{ "Id": "c1", "Name": "/web", "State": { "Running": true, "Pid": 7 }, "Config": {},
        "HostConfig": { "NetworkMode": "default", "PortBindings": { "80/tcp": [{ "HostPort": "8080" }] } },
        "NetworkSettings": { "SandboxID": "1f", "SandboxKey": "/var/run/docker/netns/1f", "Ports": {}, "Networks": {} } }]);
    let (configs, _) = wire::inspect::read(&detached);
    let (plan, _) = wire::plan(&configs, &Daemon::default(), Dialect::Docker28, &Selection::Live);
    assert!(plan.interfaces.is_empty() && plan.ports.is_empty());
}

#[test]
fn every_thing_of_a_plan_says_why_and_where_from() {
    let json =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/net/docker-20.10/r-many/inspect.json"))
            .unwrap();
    let (configs, _) = wire::inspect::parse(&json).unwrap();
    for dialect in Dialect::ALL {
        let (plan, _) = wire::plan(&configs, &Daemon::default(), dialect, &Selection::Live);
        let value = wire::render::json::value(&plan);
        for key in ["bridges", "parents", "veths", "lying", "sysctls", "ports", "rules"] {
            for thing in value[key].as_array().unwrap() {
                let said = |key: &str| thing[key].as_str().is_some_and(|text| !text.is_empty());
                assert!(said("reason") && said("from"), "{thing}");
            }
        }
    }
}

#[test]
fn docker_28_1_closes_ports_that_a_proxy_carries_too() {
    let objects = json!([
        { "Name": "n1", "Id": "n1", "Driver": "bridge", "Created": "2025-01-01T00:00:00Z",
          "IPAM": { "Config": [{ "Subnet": "192.0.2.0/24" }] }, "Options": { "com.docker.network.bridge.name": "br1" } },
        { "Id": "c1", "Name": "/web", "State": { "Running": true }, "Config": {}, "HostConfig": { "NetworkMode": "n1" },
          "NetworkSettings": { "Ports": { "80/tcp": [{ "HostIp": "::1", "HostPort": "8080" }] },
            "Networks": { "n1": { "IPAddress": "192.0.2.2", "IPPrefixLen": 24 } } } },
    ]);
    let rules = |dialect, proxy| {
        let (configs, _) = wire::inspect::read(&objects);
        let daemon = Daemon { bridge: Some("none".into()), userland_proxy: Some(proxy), ..Daemon::default() };
        let (plan, _) = wire::plan(&configs, &daemon, dialect, &Selection::Live);
        let text = wire::render::iptables::restore(&plan.rules, Family::V4);
        text.lines().filter(|line| line.contains("192.0.2.2")).map(str::to_owned).collect::<Vec<_>>()
    };
    let closed = "-A PREROUTING -d 192.0.2.2/32 ! -i br1 -p tcp -m tcp --dport 80 -j DROP";
    assert_eq!(rules(Dialect::Docker281, true), [closed]);
    assert_eq!(rules(Dialect::Docker281, false), [""; 0]);
    assert_eq!(rules(Dialect::Docker28, true), ["-A PREROUTING -d 192.0.2.2/32 ! -i br1 -j DROP"]);
}
