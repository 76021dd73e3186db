//! Records as old versions wrote them, and records that hold what no version writes: rules are those of what can be read,
//! and what cannot is named.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use serde_json::{Value, json};
use wire::{Daemon, Dialect, Family, Selection};

/// The rules with any of the words, and what was said of the records.
fn planned(dialect: Dialect, objects: &Value, words: &[&str]) -> (Vec<String>, Vec<String>) {
    let (configs, mut findings) = wire::inspect::read(objects);
    let (plan, more) = wire::plan(&configs, &Daemon::default(), dialect, &Selection::All);
    findings.extend(more);
    let text = wire::render::iptables::restore(&plan.rules, Family::V4);
    let lines = text.lines().filter(|line| line.starts_with("-A") && words.iter().any(|word| line.contains(word)));
    (lines.map(str::to_owned).collect(), findings.into_iter().map(|finding| finding.detail.to_string()).collect())
}

fn check(dialect: Dialect, objects: &Value, words: &[&str], rules: &[&str], findings: &[&str]) {
    let (found, said) = planned(dialect, objects, words);
    assert_eq!(
        (found, said),
        (rules.iter().map(|r| r.to_string()).collect(), findings.iter().map(|f| f.to_string()).collect())
    );
}

#[test]
fn ports_of_0_6_come_in_the_order_in_which_they_were_asked_for() {
    let mut container = json!({ "ID": "c1", "State": { "Running": true },
        "Config": { "PortSpecs": ["6379", "8080:80", "53:53/udp", "9090:80", ":22"] },
        "NetworkSettings": { "IPAddress": "172.17.0.4", "IPPrefixLen": 16, "Gateway": "172.17.42.1",
            "PortMapping": { "Tcp": { "22": "22", "6379": "49155", "80": "9090" }, "Udp": { "53": "53" } } } });
    let rule = |protocol: &str, host: u16, to: &str| {
        format!("-A DOCKER ! -i docker0 -p {protocol} -m {protocol} --dport {host} -j DNAT --to-destination {to}")
    };
    let rules = |first: u16, address: &str| {
        let ports = [("tcp", first, 6379), ("tcp", 8080, 80), ("udp", 53, 53), ("tcp", 9090, 80), ("tcp", 22, 22)];
        ports.map(|(protocol, host, port)| rule(protocol, host, &format!("{address}:{port}")))
    };
    // One port inside that two of the host lead to is in the record once.
    check(Dialect::Docker06, &container, &["DNAT"], &rules(49155, "172.17.0.4").each_ref().map(String::as_str), &[]);
    container["State"]["Running"] = json!(false);
    container["NetworkSettings"] = json!({ "IPAddress": "", "IPPrefixLen": 0, "PortMapping": null });
    check(Dialect::Docker06, &container, &["DNAT"], &rules(49153, "172.17.0.2").each_ref().map(String::as_str), &[]);
}

#[test]
fn addresses_of_versions_before_0_5_are_read() {
    let container = json!({ "Id": "c1", "State": { "Running": true }, "Config": { "PortSpecs": ["6379"] },
        "NetworkSettings": { "IpAddress": "172.17.0.9", "IpPrefixLen": 16, "PortMapping": { "6379": "49153" } } });
    let rule = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 49153 -j DNAT --to-destination 172.17.0.9:6379";
    check(Dialect::Docker06, &container, &["DNAT"], &[rule], &[]);
}

/// Docker writes them as text; whoever writes such a record by hand may not.
#[test]
fn ports_that_are_numbers_are_read() {
    let container = json!({ "Id": "c1", "State": { "Running": true },
        "NetworkSettings": { "IPAddress": "172.17.0.2", "IPPrefixLen": 16, "Ports": { "80/tcp": [{ "HostPort": 8080 }] } } });
    let rule = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80";
    check(Dialect::Docker20, &container, &["DNAT"], &[rule], &[]);
}

#[test]
fn an_address_that_is_none_is_named_and_one_without_a_length_is_kept() {
    let container = |name: &str, settings: Value| {
        let ports = json!({ "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": format!("80{name}") }] });
        let mut all = json!({ "Ports": ports });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        json!({ "Id": format!("c{name}"), "Name": format!("/c{name}"), "State": { "Running": true },
            "NetworkSettings": all })
    };
    let objects = json!([
        container("1", json!({ "IPAddress": "999.17.0.2", "IPPrefixLen": 16 })),
        container("2", json!({ "IPAddress": "172.17.0.5", "IPPrefixLen": 77 })),
        container("3", json!({ "IPAddress": "172.17.0.7" })),
    ]);
    let rule = |host: u16, to: &str| {
        format!("-A DOCKER ! -i docker0 -p tcp -m tcp --dport {host} -j DNAT --to-destination {to}:80")
    };
    let rules = [rule(801, "172.17.0.2"), rule(802, "172.17.0.3"), rule(803, "172.17.0.7")];
    let findings = [
        "its address '999.17.0.2/16' is no address; it gets another",
        "its address '172.17.0.5/77' is no address; it gets another",
    ];
    check(Dialect::Docker20, &objects, &["DNAT"], &rules.each_ref().map(String::as_str), &findings);
}

/// The text goes to iptables-restore as root: a record is not to say more rules in it, nor to name settings elsewhere.
#[test]
fn names_that_would_say_more_than_a_name_are_left_out() {
    let named = |option: &str, name: &str| {
        json!([{ "Name": "n", "Id": "0123456789abcdef", "Driver": "bridge", "IPAM": { "Config": [{ "Subnet": "10.1.0.0/24" }] },
            "Options": { option: name } }])
    };
    let rule = "-A DOCKER-ISOLATION-STAGE-2 -o br-0123456789ab -j DROP";
    let key = "com.docker.network.bridge.name";
    for name in ["br0\n-A INPUT -j ACCEPT", "../../../kernel", "br+", "br0 -j ACCEPT", "all"] {
        let finding = format!("its bridge '{name}' is no name of an interface; left out");
        check(Dialect::Docker20, &named(key, name), &["STAGE-2 -o br"], &[rule], &[&finding]);
    }
    check(Dialect::Docker20, &named(key, "br0"), &["STAGE-2 -o br"], &[&rule.replace("br-0123456789ab", "br0")], &[]);
    let trusted = named("com.docker.network.bridge.trusted_host_interfaces", "vpn0:x\ny");
    let finding = "its trusted interface 'x\ny' is no name of an interface; left out";
    check(Dialect::Docker28, &trusted, &["nothing of the kind"], &[], &[finding]);
    let mut objects = named(key, "");
    objects[0]["Id"] = json!("a\n-A X");
    let (rules, _) = planned(Dialect::Docker20, &objects, &["STAGE-2 -o br"]);
    assert!(rules.iter().all(|rule| rule.split(' ').count() == 6), "{rules:?}");
}

/// As docker 28.5.2 writes them; the beginning of names and the host's address also as 20.10 does.
#[test]
fn interfaces_are_called_as_was_asked_and_have_the_settings_that_were() {
    let network = |name: &str, octet: u8, options: Value| {
        json!({ "Name": name, "Id": format!("{name}0123456789abcdef"), "Driver": "bridge", "EnableIPv6": true,
            "IPAM": { "Config": [{ "Subnet": format!("10.{octet}.0.0/24") }, { "Subnet": format!("fd00:{octet}::/64") }] },
            "Options": options })
    };
    let label = |key: &str| format!("com.docker.network.{key}");
    let objects = json!([
        network("a", 1, json!({ label("container_iface_prefix"): "lan", label("host_ipv4"): "192.0.2.9", label("host_ipv6"): "2001:db8::9" })),
        network("b", 2, json!({ label("container_iface_prefix"): "no name" })),
        network("c", 3, json!({})),
        { "Id": "c1", "Name": "/web", "State": { "Running": true }, "Config": {}, "HostConfig": { "NetworkMode": "c" },
          "NetworkSettings": { "Networks": { "a": {}, "b": {}, "c": { "DriverOpts": {
            label("endpoint.ifname"): "wan0",
            label("endpoint.sysctls"): "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.ip_forward=1" } } } } },
    ]);
    let (configs, findings) = wire::inspect::read(&objects);
    let said: Vec<&str> = findings.iter().map(|finding| &*finding.detail).collect();
    assert_eq!(
        said,
        [
            "its prefix of interfaces 'no name' is no name of an interface; left out",
            "'net.ipv4.ip_forward=1' is no setting of an interface; left out",
        ]
    );
    let (plan, _) = wire::plan(&configs, &Daemon::default(), Dialect::Docker28, &Selection::Live);
    let names: Vec<&str> = plan.interfaces.iter().map(|interface| &*interface.name).collect();
    assert_eq!(names, ["wan0", "lan0", "eth0"]);
    let inside = plan.sysctls.iter().filter(|sysctl| sysctl.container.is_some());
    let inside: Vec<_> = inside.map(|sysctl| format!("{}={}", sysctl.key, sysctl.value)).collect();
    assert_eq!(
        inside,
        [
            "net/ipv6/conf/wan0/disable_ipv6=0",
            "net/ipv4/conf/wan0/log_martians=1",
            "net/ipv6/conf/lan0/disable_ipv6=0",
            "net/ipv6/conf/eth0/disable_ipv6=0",
        ]
    );
    let sources = |family| {
        let text = wire::render::iptables::restore(&plan.rules, family);
        text.lines().filter(|line| line.contains("SNAT")).map(str::to_owned).collect::<Vec<_>>()
    };
    let bridge = "br-a0123456789a";
    let four = format!("-A POSTROUTING -s 10.1.0.0/24 ! -o {bridge} -j SNAT --to-source 192.0.2.9");
    let six = format!("-A POSTROUTING -s fd00:1::/64 ! -o {bridge} -j SNAT --to-source 2001:db8::9");
    assert_eq!([sources(Family::V4), sources(Family::V6)], [[four], [six]]);
}
