//! Plans against what the dockerd that is installed makes, rule for rule, after each of its commands. The recorded
//! cases are common/wire's; these are others, on a daemon in a network namespace of its own.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod judge;
mod lab;

use judge::{Judge, chance};

/// No container here publishes a lower port by a higher number beside a higher one by a lower number: docker sorts those by
/// chance (`docs/layouts/network.md`).
fn check(flags: &str, commands: &str) {
    if let Some(judge) = Judge::installed() {
        judge.check(flags, commands);
    }
}

#[test]
fn ports_addresses_and_protocols() {
    check(
        "",
        "run --name ba -p 127.0.0.1:9000:80 -p 9001:80
        run --name ca -p 7000-7003:7000-7003 -p 53:53/udp -p 53:53/tcp
        run --name ha -p 8100-8110:80 --hostname h
        run --name hb -p 8100-8110:80 -p 127.0.0.1::79/udp
        stop -t 0 ba
        start ba
        run --name la --expose 5000 --expose 5001-5003/udp -P
        run --name ma -p 9081:80 -p 9080:80 -p 10443:443
        pause la
        rm -f ca
        run --name qa -p 0.0.0.0:7777:77 -p 127.0.0.2:5555:70 -p [::1]:7778:77
        restart -t 0 ha
        run --name ra --network host
        run --name sa --network container:qa
        run --name ta --network none",
    );
}

#[test]
fn networks_of_all_kinds_and_several_at_once() {
    check(
        "",
        "network create na
        network create --internal nb
        network create --subnet 10.9.0.0/24 --gateway 10.9.0.5 --ip-range 10.9.0.128/25 nc
        run --name aa --network na -p 8080:80
        run --name ba --network nb -p 8081:80
        run --name ca --network nc --ip 10.9.0.77 -p 8082:80
        network connect na ca
        network connect nb aa
        network create -o com.docker.network.bridge.name=mybr -o com.docker.network.driver.mtu=1400 nd
        network create -o com.docker.network.bridge.enable_icc=false ne
        run --name ea --network ne -p 8084:80
        run --name eb --network ne --link ea:web
        network create -o com.docker.network.bridge.enable_ip_masquerade=false nf
        run --name fa --network nf -p 8085:80
        network create -o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 ng
        run --name ga --network ng -p 8086:80
        network connect bridge ga
        network disconnect na aa
        network create -o com.docker.network.host_ipv4=127.0.0.9 nh
        rm -f ba
        network disconnect nb aa
        network rm nb",
    );
}

/// One network that is there as the daemon starts again: the order of several is taken by chance.
#[test]
fn a_daemon_that_is_started_again_and_networks_that_are_connected_later() {
    check(
        "",
        "network create -o com.docker.network.bridge.enable_icc=false zz
        run --name za --network zz -p 8080:80
        daemon again
        network create nb
        start za
        run --name zb --network nb -p 8082:80
        run --name zc -p 8083:80
        network connect bridge zb
        network create aa
        network connect aa za
        run --name zd --network zz -p 8084:80
        restart -t 0 zb
        network disconnect zz za",
    );
}

#[test]
fn closed_to_each_other_but_for_links() {
    check(
        "--icc=false",
        "run --name aa --expose 443 --expose 80
        run --name ba --link aa:db
        run --name ca --link aa --link ba --expose 80
        run --name da --link aa:one --link aa:two -p 8088:8088
        network create na
        run --name fa --network na -p 1:1",
    );
}

#[test]
fn without_a_proxy() {
    check(
        "--userland-proxy=false",
        "run --name aa -p 80:80 -p 127.0.0.1:81:81
        network create na
        network create -o com.docker.network.bridge.enable_ip_masquerade=false nb
        run --name ba --network nb -p 82:80
        network connect na aa",
    );
}

#[test]
fn ipv6_with_rules_of_its_own() {
    check(
        "--ip6tables --experimental --ipv6 --fixed-cidr-v6=fd00:1::/64",
        "run --name aa -p 80:80
        run --name ba -p [::1]:81:80 -p 127.0.0.1:82:80
        network create --ipv6 --subnet fd00:2::/64 na
        run --name ca --network na -p 83:80 -p 84:84/udp
        network create nb
        run --name da --network nb -p 85:80
        network connect na da
        network create --internal --ipv6 --subnet fd00:3::/64 nc
        run --name ea --network nc -p 86:86
        run --name fa --network na --ip6 fd00:2::99 -p 88:88",
    );
}

#[test]
fn own_addresses_of_the_default_bridge_and_no_masquerade() {
    check(
        "--bip=10.8.0.1/24 --fixed-cidr=10.8.0.128/25 --mtu=1400 --ip=127.0.0.1 --ip-masq=false",
        "run --name aa -p 80:80 -p 0.0.0.0:81:81
        run --name ab -p 8050:80 -p 8051:80 -p 8060:90
        network create na
        run --name ba --network na -p 82:80",
    );
}

#[test]
fn no_default_bridge_and_no_rules() {
    check("--bridge=none", "ps\n        network create na\n        run --name ba --network na -p 82:80");
    check("--iptables=false", "network create na\n        run --name ba --network na -p 82:80 --name ca");
}

#[test]
fn a_bridge_of_the_hosts_own_and_another_gateway() {
    if let Some(judge) = Judge::installed() {
        judge.check_own_bridge();
    }
}

#[test]
fn what_is_asked_for_by_chance() {
    if let Some(judge) = Judge::installed() {
        chance::check(&judge);
    }
}
