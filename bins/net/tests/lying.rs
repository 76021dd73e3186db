//! Networks whose containers' interfaces lie on one of the host's: macvlan and ipvlan, with VLANs and dummies for parents.
//! Where the kernel lacks a kind of interface, that is refused and nothing is changed.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod judge;
mod lab;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use testkit::engine::is_here;

use judge::Judge;
use lab::{HOST, Kept, Lab, OUTSIDE, container, run, snapshot, unchanged};

/// A network of a driver on the link to the outside, where 192.0.2.8 is somebody else's.
fn lying(name: &str, driver: &str, options: Value) -> Value {
    json!({
        "Name": name, "Id": format!("{name:0>64}"), "Driver": driver, "Internal": false, "Options": options,
        "IPAM": { "Config": [{
            "Subnet": "192.0.2.0/24", "IPRange": "192.0.2.8/29", "Gateway": OUTSIDE, "AuxiliaryAddresses": { "router": "192.0.2.8" },
        }] },
    })
}

/// What a command prints in a container's namespace, without what differs from one time to the other.
fn within(pid: u32, line: &str) -> String {
    let text = run(&format!("nsenter -t {pid} -n {line}"));
    let words = text.split_whitespace().filter(|word| !word.starts_with("eth0@if"));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether this kernel has a kind of interface, as `ip` finds.
fn has(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let made = Command::new("ip").args(["link", "add", "tried"]).args(words).output().unwrap().status.success();
    if made {
        run("ip link del tried");
    }
    made
}

#[test]
fn a_container_lies_on_the_hosts_interface_beside_others() {
    let lab = Lab::new();
    if !has("link up0 type macvlan mode bridge") {
        return eprintln!("no verdict: this kernel has no macvlan");
    }
    let before = snapshot();
    let (web, peer) = (Kept::new(), Kept::new());
    let objects = json!([
        lying("lan", "macvlan", json!({ "parent": "up0" })),
        container("web", web.0.id(), "lan", json!({ "80/tcp": [{ "HostPort": "8080" }] })),
        container("xpeer", peer.0.id(), "lan", json!({})),
    ])
    .to_string();
    let (status, dry, _) = lab.done(&["up", "--dry-run", "-"], &objects);
    assert_eq!(
        (status, dry.as_str()),
        (
            0,
            "add macvlan on up0, eth0 in web with 192.0.2.10/24 02:42:c0:00:02:0a\n\
             add macvlan on up0, eth0 in xpeer with 192.0.2.11/24 02:42:c0:00:02:0b\n"
        )
    );
    unchanged(&before, "after a dry run");
    lab.up(&objects);
    assert_eq!(lab.done(&["up", "--dry-run", "-"], &objects), (0, String::new(), String::new()));
    unchanged(&before, "up: nothing of the host's own is changed");
    lab.outside.serve(7);
    web.serve(80);
    let soon = |asked: &dyn Fn() -> Option<String>| (0..6).find_map(|_| asked());
    assert_eq!(soon(&|| web.ask(&format!("{OUTSIDE}:7"))).as_deref(), Some("192.0.2.10"), "with its own address");
    assert_eq!(soon(&|| lab.outside.ask("192.0.2.10:80")).as_deref(), Some(OUTSIDE), "from outside");
    assert_eq!(soon(&|| peer.ask("192.0.2.10:80")).as_deref(), Some("192.0.2.11"), "from its neighbour");
    assert_eq!(lab::ask("192.0.2.10:80"), None, "the host does not reach what lies on its own interface");
    let (_, seen, _) = lab.done(&["ls"], "");
    let line = seen.lines().find(|line| line.contains("container web")).unwrap_or_else(|| panic!("{seen}"));
    for word in ["eth0", "macvlan", "192.0.2.10/24", "02:42:c0:00:02:0a", "on up0"] {
        assert!(line.contains(word), "{word}: {seen}");
    }
    assert_eq!(lab.done(&["down", "xpeer"], ""), (0, String::new(), String::new()));
    assert!(within(peer.0.id(), "ip -o link").contains("lo:") && !within(peer.0.id(), "ip -o link").contains("eth0"));
    assert!(soon(&|| lab.outside.ask("192.0.2.10:80")).is_some(), "the other stays");
    lab.down();
    assert_eq!(within(web.0.id(), "ip -o -4 route"), "", "nothing of it is left inside");
    unchanged(&before, "down");
}

#[test]
fn killed_at_each_message_it_is_undone() {
    let lab = Lab::new();
    if !is_here("strace") || !has("link up0 type macvlan mode bridge") {
        return;
    }
    let web = Kept::new();
    let objects =
        json!([lying("lan", "macvlan", json!({ "parent": "up0" })), container("web", web.0.id(), "lan", json!({}))]);
    let file = lab.state.path().join("objects");
    fs::write(&file, objects.to_string()).unwrap();
    let (before, inside) = (snapshot(), within(web.0.id(), "ip -o link show type macvlan"));
    let mut nth = 1;
    while lab.killed(&["up", "-q", file.to_str().unwrap()], "sendto", nth) {
        if nth % 2 == 0 {
            lab.up(&objects.to_string());
        }
        lab.down();
        unchanged(&before, &format!("up was killed at message {nth}"));
        assert_eq!(within(web.0.id(), "ip -o link show type macvlan"), inside, "message {nth}");
        nth += 1;
    }
    assert!(nth > 5, "{nth}");
    lab.down();
}

#[test]
fn modes_are_those_that_were_asked_for() {
    let lab = Lab::new();
    for mode in ["private", "vepa", "bridge", "passthru"] {
        if !has(&format!("link up0 type macvlan mode {mode}")) {
            return eprintln!("no verdict: this kernel has no macvlan");
        }
        let web = Kept::new();
        let options = json!({ "parent": "up0", "macvlan_mode": mode });
        let objects = json!([lying("lan", "macvlan", options), container("web", web.0.id(), "lan", json!({}))]);
        lab.up(&objects.to_string());
        let link = within(web.0.id(), "ip -d link show eth0");
        assert!(link.contains(&format!("macvlan mode {mode} ")), "{link}");
        lab.down();
    }
}

/// What is to be made, the kind that a kernel may lack, how `ip` makes one, and what is said where it is lacking.
#[test]
fn what_the_kernel_lacks_is_refused_before_anything_is_changed() {
    let lab = Lab::new();
    let before = snapshot();
    let macvlan = |parent: &str| lying("lan", "macvlan", json!({ "parent": parent }));
    let ipvlan = |mode: &str| lying("lan", "ipvlan", json!({ "parent": "up0", "ipvlan_mode": mode }));
    let mut inner = lying("lan", "macvlan", json!({}));
    inner["Internal"] = json!(true);
    for (kind, tried, network, step) in [
        ("ipvlan", "link up0 type ipvlan mode l2", ipvlan("l2"), "add ipvlan on up0, eth0 in web with 192.0.2.10/24"),
        ("ipvlan", "link up0 type ipvlan mode l2", ipvlan("l3"), "add ipvlan on up0, eth0 in web with 192.0.2.10/24"),
        ("vlan", "link up0 type vlan id 9", macvlan("up0.50"), "add vlan up0.50 with number 50 of up0"),
        ("dummy", "type dummy", inner, "add dummy dm-000000000000"),
    ] {
        let web = Kept::new();
        let one = container("one", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] }));
        let other = Kept::new();
        let objects = json!([network, container("web", other.0.id(), "lan", json!({})), one]).to_string();
        let (status, _, said) = lab.done(&["up", "-"], &objects);
        if has(tried) {
            assert_eq!((status, said.as_str()), (0, ""), "{kind}");
            assert!(within(other.0.id(), "ip -o -4 addr show eth0").contains("192.0.2.10/24"), "{kind}");
            if network_mode(&objects) == "l3" {
                assert!(within(other.0.id(), "ip route").contains("default dev eth0 scope link"));
            }
        } else {
            let lacks = format!(
                "net: cannot {step}: this kernel has no interfaces of kind '{kind}' (modprobe {kind}, or a kernel that has it)\n"
            );
            assert_eq!((status, said), (1, lacks), "{kind}");
            unchanged(&before, &format!("{kind} is lacking"));
        }
        lab.down();
        unchanged(&before, kind);
    }
}

fn network_mode(objects: &str) -> String {
    let objects: Value = serde_json::from_str(objects).unwrap();
    objects[0]["Options"]["ipvlan_mode"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_cannot_be_is_refused_with_both_sides_named() {
    let lab = Lab::new();
    let before = snapshot();
    let web = Kept::new();
    let pid = web.0.id();
    let mut taken = container("web", pid, "lan", json!({}));
    taken["NetworkSettings"]["Networks"]["lan"] = json!({ "IPAddress": HOST, "IPPrefixLen": 24 });
    let free = container("web", pid, "lan", json!({}));
    for (parent, container, said) in [
        ("eth7", &free, "network 'lan' needs interface 'eth7', which is not here"),
        ("eth7.5", &free, "network 'lan' needs 'eth7.5' of interface 'eth7', which is not here"),
        ("up0", &taken, "address 192.0.2.1 is wanted by container 'web' and is that of 'up0'"),
    ] {
        let objects = json!([lying("lan", "macvlan", json!({ "parent": parent })), container]);
        let (status, _, text) = lab.done(&["up", "-"], &objects.to_string());
        assert!(status == 1 && text.contains(said), "{text}");
        unchanged(&before, said);
    }
}

#[test]
fn plans_tell_parents_and_what_lies_on_them() {
    let mut stopped = container("web", 0, "lan", json!({ "80/tcp": [{ "HostPort": "8080" }] }));
    stopped["NetworkSettings"]["Networks"]["wan"] = json!({});
    let objects = json!([
        lying("lan", "macvlan", json!({ "parent": "eth0.50", "macvlan_mode": "private" })),
        lying("wan", "ipvlan", json!({ "ipvlan_mode": "l3s", "ipvlan_flag": "vepa", "parent": "eth1" })),
        stopped,
    ]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("objects");
    fs::write(&file, objects.to_string()).unwrap();
    for version in ["20.10", "28", "nft"] {
        let plan = |format: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_net"));
            command.args(["plan", "--as", version, "--format", format]).arg(&file);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let table = plan("table");
        for words in [
            &["vlan", "eth0.50 id 50 of eth0", "containers of network 'lan' lie on it"][..],
            &["parent", "eth1", "containers of network 'wan' lie on it"],
            &["macvlan", "on eth0.50 eth0 in web 02:42:c0:00:02:0a 192.0.2.10/24 via 192.0.2.9 mode private"],
            &["ipvlan", "on eth1 eth1 in web 192.0.2.11/24 without a gateway mode l3s vepa"],
        ] {
            let found = table.lines().any(|line| line.starts_with(words[0]) && words.iter().all(|w| line.contains(w)));
            assert!(found, "{words:?}: {table}");
        }
        let json: Value = serde_json::from_str(&plan("json")).unwrap();
        assert_eq!(json["parents"][0]["made_as"], json!({ "kind": "vlan", "of": "eth0", "id": 50 }));
        assert_eq!((&json["lying"][1]["kind"], &json["lying"][1]["straight"]), (&json!("ipvlan"), &json!(true)));
        assert_eq!(json["ports"], json!([]), "docker publishes no ports of such networks");
        let rules = plan("iptables-restore");
        assert!(!rules.contains("192.0.2.") && !rules.contains("eth0"), "nor makes rules for them: {rules}");
    }
}

/// An interface is as docker makes it, and stays so where we make it from what docker says.
fn as_by(judge: &Judge) {
    let lab = Lab::new();
    if !has("link up0 type macvlan mode bridge") {
        return eprintln!("no verdict: this kernel has no macvlan");
    }
    let dir = tempfile::tempdir().unwrap();
    let daemon = judge.start(&dir.path().join("root"), &[]);
    let tar = lab::image(dir.path());
    daemon.docker(&["import", "-c", "CMD [\"/bin/sleep\", \"100\"]", tar.to_str().unwrap(), "i"]);
    let create = "network create -d macvlan --subnet 192.0.2.0/24 --ip-range 192.0.2.8/29 --gateway 192.0.2.9 \
                  --aux-address router=192.0.2.8 -o parent=up0 -o macvlan_mode=vepa lan";
    daemon.docker(&create.split_whitespace().collect::<Vec<_>>());
    daemon.docker(&["run", "-d", "--name", "web", "--network", "lan", "-p", "8080:80", "--stop-signal", "KILL", "i"]);
    let pid: u32 = daemon.docker(&["inspect", "-f", "{{.State.Pid}}", "web"]).trim().parse().unwrap();
    let look = |pid| {
        ["ip -d -o link show eth0", "ip -o -4 addr show eth0", "ip -4 route"].map(|line| {
            let text = within(pid, line);
            // The interface's number; the length of a queue that is not used (noqueue).
            text.split_once(": ").map_or(text.clone(), |(_, rest)| rest.replace(" qlen 1000\\", " \\"))
        })
    };
    let theirs = look(pid);
    let objects = judge::inspect(&daemon);
    daemon.docker(&["stop", "-t", "0", "web"]);
    let kept = Kept::new();
    let mut command = lab.net(&["up", "-q", "--pid", &kept.0.id().to_string(), "-", "web"], &objects);
    assert!(command.wait().unwrap().success());
    assert_eq!(look(kept.0.id()), theirs);
    lab.down();
}

#[test]
fn an_interface_is_as_docker_20_10_makes_it() {
    Judge::installed().iter().for_each(as_by);
}

#[test]
fn an_interface_is_as_docker_28_makes_it() {
    Judge::docker_28().iter().for_each(as_by);
}
