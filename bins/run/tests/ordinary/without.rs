//! Without ranges of ids, and without user namespaces at all.

use crate::person::{Person, World};

#[test]
fn without_ranges_everybody_is_he() {
    let Some(person) = Person::with_image(&World { has_no_ranges: true, ..World::default() }) else { return };
    let why = format!(
        "WARNING: /etc/subuid gives no ids to '{}': everybody in the container is you, other users and groups cannot be had\n",
        person.name
    );
    let done = person.run(&[
        "run",
        "--rm",
        "--net",
        "none",
        "box:1",
        "sh",
        "-c",
        "id; cat /home/web/own; touch /x && rm -r /old && ls /old",
    ]);
    assert_eq!(
        (&*done.stdout, done.stderr.lines().next()),
        ("uid=0(root) gid=0(root) groups=0(root)\nsecret\n", why.lines().next())
    );
    let done = person.run(&["run", "--rm", "--net", "none", "-u", "web", "box:1", "true"]);
    let refused = "run: cannot become user 33:34: this user namespace has no such ids, or not all of its groups\n";
    assert_eq!((done.status, done.stderr), (125, why.clone() + refused));
    let done = person.run(&["run", "-d", "--name", "web", "--net", "none", "box:1", "sleep", "100"]);
    assert_eq!((done.status, done.stderr), (0, why));
    assert_eq!(person.ok(&["exec", "web", "id", "-u"]), "0");
    assert_eq!(person.ok(&["rm", "-f", "web"]), "web");
    person.leaves_nothing();
}

#[test]
fn where_user_namespaces_are_off_the_setting_is_named() {
    // In a user namespace of its own, so that the setting is its own too.
    let world = World { is_apart: true, script: "echo 0 > /proc/sys/user/max_user_namespaces;", ..World::default() };
    let Some(person) = Person::with_image(&world) else { return };
    let done = person.run(&["run", "--rm", "--net", "none", "box:1", "true"]);
    let said = "run: an ordinary user may make no user namespaces here: sysctl user.max_user_namespaces is 0\n";
    assert_eq!((done.status, &*done.stderr), (125, said));
}
