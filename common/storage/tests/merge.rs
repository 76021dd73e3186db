//! What a stack of layers shows, in words, in every dialect, and as the kernel's own overlay shows it.

mod words;

use std::fs;
use std::path::Path;
use std::process::Command;

use words::{FORMS, Form, at_mnt, is_root, read, set, write};

/// Every dialect shows `shown` for these layers, top first; so does the kernel.
fn check(layers: &[&str], shown: &str) {
    for form in FORMS {
        let needs_root = !matches!(form, Form::Aufs | Form::FuseNames | Form::Graph);
        if needs_root && !is_root() {
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        let rootfs = write(home.path(), form, layers);
        assert_eq!(read(home.path(), &rootfs), shown, "{form:?}");
        if form == Form::Overlay2 {
            assert_eq!(mounted(home.path(), layers.len()), shown, "the kernel's own overlay");
        }
    }
}

/// What the kernel's overlay shows of layers written as overlay2.
fn mounted(home: &Path, layers: usize) -> String {
    let target = home.join("mnt");
    fs::create_dir_all(&target).unwrap();
    // One more empty layer, since an overlay that is only read takes two.
    fs::create_dir_all(home.join("empty")).unwrap();
    let lower: Vec<String> = (0..layers).map(|at| format!("overlay2/layer{at}/diff")).chain(["empty".into()]).collect();
    let script = format!("cd {} && mount -t overlay overlay -o lowerdir={} mnt", home.display(), lower.join(":"));
    let status = Command::new("sh").arg("-c").arg(script).status().unwrap();
    assert!(status.success(), "mount -t overlay");
    let shown = read(home, &at_mnt());
    assert!(Command::new("umount").arg(&target).status().unwrap().success());
    shown
}

#[test]
fn one_layer_shows_itself() {
    check(&["+d etc; +f etc/a 1; +l b etc/a"], "b->etc/a etc/ etc/a=1");
}

#[test]
fn a_file_hides_the_same_file_below() {
    check(&["+f a 2", "+f a 1; +f b 1"], "a=2 b=1");
}

#[test]
fn a_file_hides_a_directory_and_all_in_it() {
    check(&["+f etc x", "+f etc/a a"], "etc=x");
}

#[test]
fn a_directory_hides_a_file() {
    check(&["+f etc/a a", "+f etc x"], "etc/ etc/a=a");
}

#[test]
fn directories_show_through_each_other() {
    check(&["+f etc/b 2", "+f etc/a 1", "+f etc/c 0; +f etc/a 0"], "etc/ etc/a=1 etc/b=2 etc/c=0");
}

#[test]
fn a_removed_name_is_gone() {
    check(&["-etc/a", "+f etc/a 1; +f etc/b 1"], "etc/ etc/b=1");
    check(&["-etc", "+f etc/a 1; +f b 1"], "b=1");
}

#[test]
fn an_opaque_directory_hides_what_lies_below() {
    check(&["!etc; +f etc/new n", "+f etc/a 1; +f etc/sub/x 1"], "etc/ etc/new=n");
}

#[test]
fn an_opaque_directory_in_the_middle_hides_only_what_lies_below_it() {
    check(&["+f etc/top t", "!etc; +f etc/middle m", "+f etc/bottom b"], "etc/ etc/middle=m etc/top=t");
}

#[test]
fn a_directory_made_again_does_not_show_what_was_removed() {
    check(&["+f d/new n", "-d", "+f d/old o"], "d/ d/new=n");
    check(&["+f d/s/new n", "-d", "+f d/s/old o"], "d/ d/s/ d/s/new=n");
}

#[test]
fn a_file_in_the_middle_closes_a_directory() {
    check(&["+f d/new n", "+f d x", "+f d/old o"], "d/ d/new=n");
}

#[test]
fn a_removed_name_that_never_was_hides_nothing_else() {
    check(&["-x; -d/y", "+f d/a 1"], "d/ d/a=1");
}

#[test]
fn a_removed_name_in_the_bottom_layer_removes_nothing() {
    check(&["+f x 1", "-x"], "x=1");
}

#[test]
fn a_symbolic_link_hides_a_directory_and_is_not_followed() {
    check(&["+l d other", "+f d/a 1; +f other/b 2"], "d->other other/ other/b=2");
}

#[test]
fn hard_links_are_links_within_a_layer_only() {
    check(&["", "+f a 1; +h b a; +h c a"], "a=1 b==a c==a");
    check(&["+f b 2", "+f a 1; +h b a; +h c a"], "a=1 b=2 c==a");
    check(&["-a", "+f a 1; +h b a; +h c a"], "b=1 c==b");
}

#[test]
fn names_come_in_path_order() {
    check(&["+f a/x 1; +f a-b 1", "+f a.c 1; +f a/y 1"], "a/ a/x=1 a/y=1 a-b=1 a.c=1");
}

#[test]
fn many_layers_make_one_tree() {
    let words: Vec<String> = (0..120).map(|at| format!("+f d/f{at:03} {at}; +f same {at}")).collect();
    let layers: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut shown: Vec<String> = (0..120).map(|at| format!("d/f{at:03}={at}")).collect();
    shown.insert(0, "d/".into());
    shown.push("same=0".into());
    let home = tempfile::tempdir().unwrap();
    let rootfs = write(home.path(), Form::Aufs, &layers);
    assert_eq!(read(home.path(), &rootfs), shown.join(" "));
}

#[test]
fn thousands_of_nested_directories_need_few_handles() {
    let home = tempfile::tempdir().unwrap();
    let rootfs = write(home.path(), Form::Aufs, &["", ""]);
    for layer in ["aufs/diff/layer0", "aufs/diff/layer1"] {
        let mut dir = rustix::fs::open(home.path().join(layer), rustix::fs::OFlags::RDONLY, 0.into()).unwrap();
        for _ in 0..2_000 {
            for name in ["d", "e"] {
                rustix::fs::mkdirat(&dir, name, 0o755.into()).unwrap();
            }
            dir = rustix::fs::openat(&dir, "d", rustix::fs::OFlags::RDONLY, 0.into()).unwrap();
        }
    }
    let shown = read(home.path(), &rootfs);
    assert_eq!(shown.split(' ').count(), 4_000);
    assert!(shown.ends_with(" d/d/e/ d/e/ e/"), "{}", &shown[shown.len() - 40..]);
    Command::new("rm").arg("-rf").arg(home.path()).status().unwrap();
}

#[test]
fn a_renamed_directory_shows_what_lies_under_its_old_name() {
    if !is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let rootfs =
        write(home.path(), Form::Overlay2, &["+f new/x 1; -old; +d deep/er", "+f old/a 1; +f old/s/b 2", "+f old/c 3"]);
    set(&home.path().join("overlay2/layer0/diff/new"), "trusted.overlay.redirect", b"old");
    set(&home.path().join("overlay2/layer0/diff/deep/er"), "trusted.overlay.redirect", b"/old/s");
    let shown = "deep/ deep/er/ deep/er/b=2 new/ new/a=1 new/c=3 new/s/ new/s/b=2 new/x=1";
    assert_eq!(read(home.path(), &rootfs), shown);
}

#[test]
fn a_file_of_attributes_alone_has_its_content_from_below() {
    if !is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let rootfs = write(home.path(), Form::Overlay2, &["+f a 0000; +f b 0000", "", "+f a four; +f c five"]);
    for (file, redirect) in [("a", None), ("b", Some("/c"))] {
        let path = home.path().join("overlay2/layer0/diff").join(file);
        set(&path, "trusted.overlay.metacopy", b"");
        if let Some(to) = redirect {
            set(&path, "trusted.overlay.redirect", to.as_bytes());
        }
    }
    assert_eq!(read(home.path(), &rootfs), "a=four b=five c=five");
}
