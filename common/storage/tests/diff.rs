//! What a container changed, in words, in every dialect and by every age's rules.

mod words;

use hostfs::Root;
use storage::Rules;
use words::{FORMS, Form, is_root, write};

/// Every dialect gives these lines for these layers, top first.
fn check(layers: &[&str], lines: &str) {
    for form in FORMS {
        // What aufs and docker 0.6 answer is checked apart: they compare nothing.
        let skipped = matches!(form, Form::Aufs | Form::Graph) || form != Form::FuseNames && !is_root();
        if !skipped {
            assert_eq!(said(form, layers, Rules::Today), lines, "{form:?}");
        }
    }
}

fn said(form: Form, layers: &[&str], rules: Rules) -> String {
    let home = tempfile::tempdir().unwrap();
    let rootfs = write(home.path(), form, layers);
    let (said, findings) = storage::diff(&Root::open(home.path()).unwrap(), &rootfs, rules).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    said.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn nothing_changed_says_nothing() {
    check(&["", "+f a 1; +d d"], "");
}

#[test]
fn folders_above_a_change_are_changed() {
    check(&["+f d/e/new 1", "+f d/e/old 1"], "C /d, C /d/e, A /d/e/new");
}

#[test]
fn a_new_folder_says_all_that_is_in_it() {
    check(&["+f n/a 1; +d n/b", "+f x 1"], "A /n, A /n/a, A /n/b");
}

#[test]
fn a_removed_folder_is_one_line() {
    check(&["-d", "+f d/a 1; +f d/b 1"], "D /d");
}

#[test]
fn a_file_of_another_size_is_changed() {
    check(&["+f a 22", "+f a 1; +f b 1"], "C /a");
}

#[test]
fn a_file_in_place_of_a_folder_is_one_change() {
    check(&["+f d x", "+f d/a 1"], "C /d");
}

#[test]
fn a_folder_in_place_of_a_file_is_a_change_with_additions() {
    check(&["+f d/a 1", "+f d x"], "C /d, A /d/a");
}

#[test]
fn an_opaque_folder_says_what_it_hides() {
    check(&["!d; +f d/new 1", "+f d/old 1; +f d/s/x 1"], "C /d, A /d/new, D /d/old, D /d/s");
}

#[test]
fn layers_below_the_top_one_are_not_compared() {
    check(&["+f top 1", "+f middle 1", "+f bottom 1"], "A /top");
}

#[test]
fn docker_before_1_3_left_out_the_folders_above() {
    let layers = ["+f d/e/new 1", "+f d/e/old 1"];
    let home = tempfile::tempdir().unwrap();
    let rootfs = write(home.path(), Form::FuseNames, &layers);
    // The same times for all folders, since they count by these rules.
    for layer in ["layer0", "layer1"] {
        for folder in ["d/e", "d"] {
            let path = home.path().join("fuse-overlayfs").join(layer).join("diff").join(folder);
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
            std::fs::File::open(path).unwrap().set_modified(time).unwrap();
        }
    }
    for (rules, lines) in [
        (Rules::Before1_3, "A /d/e/new"),
        (Rules::Before1_6, "C /d, C /d/e, A /d/e/new"),
        (Rules::Today, "C /d, C /d/e, A /d/e/new"),
    ] {
        let (said, _) = storage::diff(&Root::open(home.path()).unwrap(), &rootfs, rules).unwrap();
        assert_eq!(said.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), lines, "{rules:?}");
    }
}

#[test]
fn aufs_says_its_own_marks() {
    let layers = ["+f a 2; -b; !d; +f d/new 1; +f n 1", "+f a 1; +f b 1; +f d/old 1"];
    for form in [Form::Aufs, Form::Graph] {
        let said = said(form, &layers, Rules::Before1_3);
        // Whether the folder itself is said depends on its time, which these rules look at.
        let said: Vec<&str> = said.split(", ").filter(|line| *line != "C /d").collect();
        assert_eq!(said.join(", "), "C /a, D /b, D /d/.wh..opq, A /d/new, A /n", "{form:?}");
    }
}

/// Podman's overlay gives these lines for these layers, top first.
fn check_podman(layers: &[&str], lines: &str) {
    if is_root() {
        assert_eq!(said(Form::Overlay2, layers, Rules::PodmanOverlay), lines);
    }
}

#[test]
fn podmans_overlay_is_asked_what_it_says_itself() {
    check_podman(&["-d", "+f d/a 1; +f d/b 1"], "D /d");
    check_podman(&["!d; +f d/new 1", "+f d/a 1; +f d/b 1"], "D /d, A /d/new");
    check_podman(&["+f n/m/a 1", "+f x 1"], "A /n, A /n/m, A /n/m/a");
    check_podman(&["+f d/e/new 1", "+f d/e/old 1"], "C /d, C /d/e, A /d/e/new");
    check_podman(&["+f a 1", "+f a 1"], "C /a");
    check_podman(&["+f d/a 1", "-d", "+f d/a 1"], "A /d, A /d/a");
}
