//! `rm` beside docker's own.

use std::path::Path;

use testkit::engine::is_here;
use testkit::twins::Twins;

const SETUP: &str = "import base:1
    create --name boxa --net none -v /data base:1 /x
    create --name boxb --net none -v named:/data -v /more base:1 /x
    create --name boxc --net none --volumes-from boxb base:1 /x
    create --name boxd --net none base:1 /x
    import gone:1
    create --name boxe --net none gone:1 /x
    rmi -f gone:1";

#[test]
fn containers_go_with_their_files_as_docker_has_them_go() {
    if !is_here("dockerd") {
        return;
    }
    let twins = Twins::new(SETUP);
    let rm = |args: &[&str]| twins.check(Path::new(env!("CARGO_BIN_EXE_rm")), args);
    let d = twins.daemon().docker(&["inspect", "-f", "{{.Id}}", "boxd"]).trim().to_string();
    for args in [
        &["nosuch"][..],
        &["-f", "nosuch"],
        &["nosuch", "/boxa/", "nosuch2"],
        &["-v", "boxb"],
        &["-fv", "boxc"],
        &[&d[..12]],
        &["boxe"],
        &["/"],
    ] {
        rm(args);
    }
    assert_eq!(twins.daemon().docker(&["ps", "-aq"]), "");
    let twin = twins.twin();
    let volumes = twins.daemon().docker(&["volume", "ls", "-q"]);
    twins.finish();
    assert!(!twin.exists() && volumes.lines().count() == 2, "{volumes}");
}

#[test]
fn a_link_goes_and_both_containers_stay() {
    let Some(home) = testkit::home::Home::new() else { return };
    home.ok("run", &["-d", "--name", "db", "--net", "none", "base:1", "sleep", "100"]);
    let links = |name: &str| home.inspect(name, "{{json .HostConfig.Links}}");
    // On no network nobody looks at links; they are kept all the same.
    home.ok("run", &["--name", "web", "--net", "none", "--link", "db:store", "--link", "db:other", "base:1", "true"]);
    assert_eq!(home.ok("rm", &["--link", "web/store"]), "web/store");
    assert!(links("web").contains("other") && !links("web").contains("store"), "{}", links("web"));
    assert_eq!(home.refused("rm", &["-l", "web/store"]), (1, "No such container: web/store".into()));
    let conflict = "Conflict, cannot remove the default name of the container";
    assert_eq!(home.refused("rm", &["-l", "web"]), (1, conflict.into()));
    assert_eq!(home.ok("ps", &["-aq"]).lines().count(), 2);
}
