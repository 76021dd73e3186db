//! His network: by pasta, by slirp4netns, or none, which is said.

use crate::person::{Person, World};

const SERVE: &str = "echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp";

fn a_port_is_reached(programs: &[&str]) {
    let Some(mut person) = Person::with_image(&World::default()) else { return };
    person.finds_only(&[programs, &["busybox"]].concat());
    person.ok(&["run", "-d", "--name", "web", "-p", "127.0.0.1:18080:80", "-p", "80", "box:1", "sh", "-c", SERVE]);
    person.until("busybox wget -qO- http://127.0.0.1:18080/", "hello");
    let ports = person.ok(&["inspect", "-f", "{{json .NetworkSettings.Ports}}", "web"]);
    let other = ports.rsplit("\"HostPort\":\"").next().and_then(|rest| rest.split('"').next()).expect("a port");
    let bound = |host: &str, port: &str| format!("{{\"HostIp\":\"{host}\",\"HostPort\":\"{port}\"}}");
    assert_eq!(ports, format!("{{\"80/tcp\":[{},{}]}}", bound("127.0.0.1", "18080"), bound("0.0.0.0", other)));
    person.until(&format!("busybox wget -qO- http://192.0.2.9:{other}/"), "hello");
    let inside =
        person.ok(&["exec", "web", "sh", "-c", "ip -o addr show eth0 | grep -o 'inet [0-9./]*'; cat /etc/resolv.conf"]);
    assert_eq!(inside, "inet 10.0.2.100/24\nnameserver 10.0.2.3");
    let taken = person.run(&["run", "--rm", "-p", "18080:80", "box:1", "true"]);
    assert_eq!(taken.status, 125);
    assert!(taken.stderr.ends_with("Bind for 0.0.0.0:18080 failed: port is already allocated\n"), "{}", taken.stderr);
    person.ok(&["stop", "-t", "0", "web"]);
    person.leaves_nothing();
    // Killed beside it: the container lives on, and so does its network; the next command has another process go on.
    person.ok(&["start", "web"]);
    person.sh("pkill -9 -f 'start web'");
    person.until("busybox wget -qO- http://127.0.0.1:18080/", "hello");
    let done = person.run(&["exec", "web", "id", "-u"]);
    assert_eq!((done.status, &*done.stdout), (0, "0\n"), "{}", done.stderr);
    assert!(done.stderr.contains("another one goes on from here"), "{}", done.stderr);
    person.sh("pkill -9 httpd");
    person.until("inspect -f '{{.State.Status}} {{.State.ExitCode}}' web", "exited 137");
    person.leaves_nothing();
}

#[test]
fn pasta_connects_a_container() {
    a_port_is_reached(&["pasta", "pkill"]);
}

#[test]
fn slirp4netns_connects_a_container() {
    a_port_is_reached(&["slirp4netns", "pkill"]);
}

#[test]
fn without_either_there_is_none_and_that_is_said() {
    let Some(mut person) = Person::with_image(&World::default()) else { return };
    person.finds_only(&[]);
    let done = person.run(&["run", "--rm", "-p", "18080:80", "box:1", "sh", "-c", "ip -o link | cut -d: -f2"]);
    let said = "WARNING: the container has no network, and no port is published: pasta is not installed; slirp4netns is not installed\n";
    assert_eq!((done.status, &*done.stdout, &*done.stderr), (0, " lo\n", said));
    let check = person.run(&["run", "--check"]);
    assert!(check.stdout.contains("\nusers: 65537 ids\ncgroups: none\nnetwork: none\n"), "{}", check.stdout);
}

#[test]
fn ports_of_roots_are_refused_before_anything_is_made() {
    let Some(person) = Person::with_image(&World::default()) else { return };
    for words in [&["-p", "80:80"][..], &["-p", "127.0.0.1:1023:80"], &["-d", "-p", "8080:80", "-p", "443:443/udp"]] {
        let done = person.run(&[&["run"], words, &["box:1", "true"]].concat());
        assert_eq!(done.status, 125, "{words:?}");
        assert!(done.stderr.contains("is root's to publish: an ordinary user's begin at 1024"), "{}", done.stderr);
    }
    assert_eq!(person.ok(&["ps", "-aq"]), "");
}
