//! `rmi` beside docker's own.

use std::path::Path;

use testkit::engine::is_here;
use testkit::twins::Twins;

/// Images with several names, children with and without names, containers on some of them.
const SETUP: &str = "import base:1
    tag base:1 base:2
    tag base:1 other/base:1
    create --name c1 --net none base:1 /x
    commit c1 child:1
    commit c1 child:2
    create --name c2 --net none child:1 /x
    commit c2 grandchild:1
    rm c2
    rmi child:1
    create --name c3 --net none child:2 /x
    commit c3 tip:1
    import lone:1
    import twice:1
    tag twice:1 twice:2
    import used:1
    create --name c4 --net none used:1 /x
    import forced:1
    create --name c5 --net none forced:1 /x
    import byid:1
    tag byid:1 byid:2";

#[test]
fn images_go_as_docker_has_them_go() {
    if !is_here("dockerd") {
        return;
    }
    let twins = Twins::new(SETUP);
    let rmi = |args: &[&str]| twins.check(Path::new(env!("CARGO_BIN_EXE_rmi")), args);
    let id = |name: &str| twins.daemon().docker(&["images", "-q", "--no-trunc", name]).trim().to_string();
    for args in [&["nosuch"][..], &["a:b:c"], &["-f", "nosuch"], &["nosuch:1", "base:2", "nosuch2"], &["-f", "a:b:c"]] {
        rmi(args);
    }
    let (twice, byid, base, used) = (id("twice:1"), id("byid:1"), id("base:1"), id("used:1"));
    rmi(&[&twice[7..19]]);
    rmi(&["-f", &twice[7..19]]);
    rmi(&["byid:1"]);
    rmi(&[&byid]);
    rmi(&["lone:1", "lone:1"]);
    for args in
        [&["used:1"][..], &[&used], &[&used[7..]], &[&base[7..20]], &["-f", &base], &["base:1"], &["other/base:1"]]
    {
        rmi(args);
    }
    rmi(&["-f", "forced:1"]);
    rmi(&["tip:1"]);
    rmi(&["--no-prune", "grandchild:1"]);
    rmi(&["child:2"]);
    rmi(&["-f", "child:2"]);
    rmi(&["-f", "used:1"]);
    twins.finish();
}
