//! The same for docker 28: that of Debian sid, which scripts/test unpacks.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod judge;
mod lab;

use judge::{Judge, chance};

fn check(flags: &str, commands: &str) {
    if let Some(judge) = Judge::docker_28() {
        judge.check(flags, commands);
    }
}

/// One daemon for all of it: it takes two seconds to start and to end. Of networks, one is there as it starts again: the order
/// of several is taken by chance.
#[test]
fn ports_networks_of_all_kinds_and_a_daemon_that_is_started_again() {
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
        rm -f ca
        run --name qa -p 0.0.0.0:7777:77 -p 127.0.0.2:5555:70 -p [::1]:7778:77
        restart -t 0 ha
        run --name ra --network host
        run --name sa --network container:qa
        clean
        network create na
        network create --internal nb
        network create --subnet 10.9.0.0/24 --gateway 10.9.0.5 --ip-range 10.9.0.128/25 nc
        run --name aa --network na -p 8080:80
        run --name ba --network nb -p 8081:80
        run --name ca --network nc --ip 10.9.0.77 -p 8082:80
        network create -o com.docker.network.bridge.name=mybr -o com.docker.network.driver.mtu=1400 nd
        network create -o com.docker.network.bridge.enable_icc=false ne
        run --name ea --network ne -p 8084:80
        network create -o com.docker.network.bridge.enable_ip_masquerade=false nf
        run --name fa --network nf -p 8085:80
        network create -o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 ng
        run --name ga --network ng -p 8086:80
        network create -o com.docker.network.host_ipv4=127.0.0.9 nh
        rm -f ba
        network rm nb
        clean
        network create -o com.docker.network.bridge.enable_icc=false zz
        run --name za --network zz -p 8080:80
        daemon again
        start za
        run --name zc -p 8083:80",
    );
}

#[test]
fn ways_of_reaching_a_network() {
    check(
        "--ipv6 --fixed-cidr-v6=fd00:1::/64",
        "network create --ipv6 --subnet fd00:2::/64 -o com.docker.network.bridge.gateway_mode_ipv6=routed na
        run --name aa --network na -p 8080:80
        network create -o com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected nb
        run --name ba --network nb -p 8081:80 -p 127.0.0.1:82:82
        network create -o com.docker.network.bridge.gateway_mode_ipv4=routed nc
        run --name ca --network nc -p 8083:80/udp
        network create -o com.docker.network.bridge.trusted_host_interfaces=lo:eth9 nd
        run --name da --network nd -p 8084:80
        run --name ea -p [::1]:85:80 -p 86:80
        network create --internal --ipv6 --subnet fd00:3::/64 ne
        run --name fa --network ne -p 86:86",
    );
}

#[test]
fn without_a_proxy_and_closed_to_each_other() {
    check(
        "--userland-proxy=false --icc=false",
        "run --name aa -p 80:80 -p 127.0.0.1:81:81 --expose 70
        run --name ba --link aa:db
        network create na
        network create -o com.docker.network.bridge.enable_ip_masquerade=false nb
        run --name ca --network nb -p 82:80",
    );
}

#[test]
fn own_addresses_no_default_bridge_and_no_rules() {
    check(
        "--bip=10.8.0.1/24 --fixed-cidr=10.8.0.128/25 --mtu=1400 --ip=127.0.0.1 --ip-masq=false",
        "run --name aa -p 80:80 -p 0.0.0.0:81:81
        network create na
        run --name ba --network na -p 82:80",
    );
    check("--bridge=none", "ps\n        network create na\n        run --name ba --network na -p 82:80");
    check("--iptables=false --ip6tables=false", "network create na\n        run --name ba --network na -p 82:80");
}

#[test]
fn a_bridge_of_the_hosts_own_and_another_gateway() {
    if let Some(judge) = Judge::docker_28() {
        judge.check_own_bridge();
    }
}

#[test]
fn what_is_asked_for_by_chance() {
    if let Some(judge) = Judge::docker_28() {
        chance::check(&judge);
    }
}
