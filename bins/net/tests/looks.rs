//! `net ls`, `net diff` and `net check` where nobody lives: bridges and rules of others, and what is left of a docker.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod lab;

use std::fs;

use serde_json::json;

use lab::{Kept, Lab, ask_soon, container, run, snapshot, unchanged};

/// A bridge of somebody else's, with its address and its masquerade as that engine makes it.
fn bridge(name: &str, address: &str, masquerade: &str) {
    run(&format!("ip link add {name} type bridge"));
    run(&format!("ip addr add {address} dev {name}"));
    run(&format!("ip link set {name} up"));
    run(masquerade);
}

#[test]
fn bridges_of_others_are_listed_with_their_masquerade_and_left_alone() {
    let lab = Lab::new();
    let nat = "iptables -t nat -A POSTROUTING";
    bridge("lxcbr0", "10.0.3.1/24", &format!("{nat} -s 10.0.3.0/24 ! -d 10.0.3.0/24 -j MASQUERADE"));
    bridge("virbr0", "192.168.122.1/24", &format!("{nat} -s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE"));
    run("nft add table inet netavark");
    run("nft add chain inet netavark nv_1");
    run("nft add rule inet netavark nv_1 ip daddr != 224.0.0.0/4 masquerade");
    run("nft add chain inet netavark POSTROUTING { type nat hook postrouting priority 100 ; }");
    bridge("podman1", "10.89.0.1/24", "nft add rule inet netavark POSTROUTING ip saddr 10.89.0.0/24 jump nv_1");
    bridge("other0", "10.7.0.1/24", "true");
    let before = snapshot();
    let web = Kept::new();
    lab.up(&json!([container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] }))]).to_string());
    let (status, listed, _) = lab.done(&["ls"], "");
    assert_eq!(status, 0);
    for (name, owner, detail) in [
        ("lxcbr0", "lxc", "masquerade: -A POSTROUTING -s 10.0.3.0/24"),
        ("virbr0", "libvirt", "masquerade: -A POSTROUTING -s 192.168.122.0/24"),
        ("podman1", "podman", "masquerade: ip saddr 10.89.0.0/24 jump nv_1"),
        ("other0", "?", "no masquerade"),
        ("docker0", "dockless", "masquerade: "),
    ] {
        let line = listed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{listed}"));
        assert!(line.split_whitespace().nth(2) == Some(owner) && line.contains(detail), "{line}");
    }
    let (status, rows, _) = lab.done(&["ls", "--format", "json"], "");
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ours = rows.iter().find(|row| row["Owner"] == "container web").unwrap();
    assert_eq!((status, ours["Address"].as_str()), (0, Some("172.17.0.2/16")));
    assert_eq!(ours["Detail"], "0.0.0.0:8080->80/tcp");
    let (_, seen, _) = lab.done(&["check"], "");
    for name in ["lxcbr0 10.0.3.1/24", "virbr0 192.168.122.1/24", "podman1 10.89.0.1/24"] {
        let told = |line: &str| line.contains(name) && line.contains("is another's");
        assert!(seen.lines().any(told), "{seen}");
    }
    lab.down();
    unchanged(&before, "after down");
}

#[test]
fn what_is_left_of_a_docker_is_told_with_port_and_address() {
    let lab = Lab::new();
    let input = lab.state.path().join("objects");
    let mut web = container("web", 1, "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] }));
    web["NetworkSettings"] = json!({ "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }] },
        "Networks": { "bridge": { "IPAddress": "172.17.0.2", "IPPrefixLen": 16, "Gateway": "172.17.0.1" } } });
    fs::write(&input, json!([web]).to_string()).unwrap();
    let input = input.to_str().unwrap();
    let (_, rules, _) = lab.done_without_state(&["plan", "--as", "20.10", "--format", "iptables-restore", input]);
    let diff = || lab.done(&["diff", input], "");
    let (status, lines, _) = diff();
    assert!(status == 1 && lines.contains("missing: port 8080/tcp of 0.0.0.0 to 172.17.0.2:80"), "{lines}");
    let file = lab.state.path().join("rules");
    fs::write(&file, rules).unwrap();
    run(&format!("iptables-restore {}", file.display()));
    assert_eq!(diff(), (0, String::new(), String::new()));
    run("iptables -t nat -A DOCKER -p tcp --dport 8090 -j DNAT --to-destination 172.17.0.9:90");
    run("iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p udp --dport 53 -j ACCEPT");
    run("iptables -t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE");
    run("iptables -t nat -N CNI-DN-1");
    run("iptables -t nat -A CNI-DN-1 -p tcp --dport 8080 -j DNAT --to-destination 10.88.0.2:80");
    let (status, lines, _) = diff();
    for said in [
        "stale: nat -A DOCKER -p tcp -m tcp --dport 8090 -j DNAT --to-destination 172.17.0.9:90: port 8090/tcp goes to 172.17.0.9:90: no running container",
        "port 53/udp of 172.17.0.2 is open: container 'web' does not publish it",
        "missing: nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "conflict: port 8080/tcp of container 'web' is led to 10.88.0.2:80 by podman (CNI), chain CNI-DN-1",
    ] {
        assert!(status == 1 && lines.contains(said), "{said}\n{lines}");
    }
    assert_eq!(lines.lines().count(), 4, "{lines}");
    let (status, _, said) = lab.done(&["diff", "/nowhere"], "");
    assert!(status == 1 || status == 2, "{said}");
}

#[test]
fn what_net_up_made_is_compared_too() {
    let lab = Lab::new();
    let web = Kept::new();
    let one = container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] }));
    let input = json!([one]).to_string();
    lab.up(&input);
    web.serve(80);
    assert!(ask_soon("127.0.0.1:8080").is_some());
    assert_eq!(lab.done(&["diff", "-"], &input), (0, String::new(), String::new()));
    assert_eq!(lab.done(&["check"], "").0, 0);
    run("nft delete table ip dockless");
    let (status, lines, _) = lab.done(&["diff", "-"], &input);
    assert!(status == 1 && lines.starts_with("missing: put ") && lines.lines().count() == 1, "{lines}");
    let (status, seen, _) = lab.done(&["check"], "");
    assert!(status == 1 && seen.contains("table dockless has gone"), "{seen}");
    lab.up(&input);
    let stopped = json!([{ "Id": one["Id"], "Name": "/web", "State": { "Running": false }, "Config": {}, "HostConfig": {},
        "NetworkSettings": {} }]);
    let (status, lines, _) = lab.done(&["diff", "-"], &stopped.to_string());
    let said = "stale: table dockless: port 8080/tcp of 0.0.0.0 goes to 172.17.0.2:80: container 'web' does not run";
    assert!(status == 1 && lines.starts_with(said), "{lines}");
    lab.down();
}
