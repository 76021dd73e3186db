//! `tag` beside docker's own.

use std::path::Path;

use testkit::engine::is_here;
use testkit::twins::Twins;

const SHA: &str = "@sha256:1a7872d5a2c808f8dbc571fab53f2990de6afe12797019113834b279d1bbce0f";

#[test]
fn names_are_given_and_refused_as_docker_does() {
    if !is_here("dockerd") {
        return;
    }
    let twins = Twins::new("import base:1\nimport other:1\ntag other:1 other:2");
    let tag = |args: &[&str]| twins.check(Path::new(env!("CARGO_BIN_EXE_tag")), args);
    let id = twins.daemon().docker(&["images", "-q", "--no-trunc", "base:1"]).trim().to_string();
    for args in [
        ["base:1", "base"],
        ["base:1", "other:2"],
        ["base", "docker.io/library/third:x"],
        ["base", "host:5000/team/app"],
        ["base:1", "base:1"],
    ] {
        tag(&args);
    }
    for source in [id.as_str(), &id[7..], &id[7..17], &id[..20]] {
        tag(&[source, "by/id"]);
    }
    for source in ["nosuch", "nosuch:1", "BAD", "", "a:b:c", &SHA[1..], &SHA[8..], &format!("base{SHA}")] {
        tag(&[source, "x"]);
    }
    for target in ["BAD", "a b", &format!("x{SHA}"), &SHA[8..], "", "x:"] {
        tag(&["base:1", target]);
    }
    twins.finish();
}
