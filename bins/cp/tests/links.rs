//! A file is copied to where a link of its name leads, inside of the container only.

use testkit::home::Home;

#[test]
fn a_file_goes_through_a_link_of_its_name() {
    let Some(home) = Home::new() else { return };
    let script = "mkdir /s; echo old > /s/a; ln -s a /s/near; ln -s /s/a /s/far; ln -s new /s/nowhere; exec sleep 100";
    home.ok("run", &["-d", "--name", "web", "--net", "none", "base:1", "sh", "-c", script]);
    home.until("web", "{{.State.Running}}", "true");
    home.ok("exec", &["web", "sh", "-c", "until [ -L /s/nowhere ]; do sleep 0.05; done"]);
    let file = home.place().join("file");
    for (name, place) in [("near", "a"), ("far", "a"), ("nowhere", "new")] {
        std::fs::write(&file, name).expect("it is written");
        home.ok("cp", &[file.to_str().expect("words"), &format!("web:/s/{name}")]);
        assert_eq!(home.ok("exec", &["web", "cat", &format!("/s/{place}")]), name);
        assert_eq!(home.ok("exec", &["web", "sh", "-c", &format!("[ -L /s/{name} ] && echo link")]), "link", "{name}");
    }
}
