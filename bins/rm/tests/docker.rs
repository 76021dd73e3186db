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
