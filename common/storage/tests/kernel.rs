//! Layers that the kernel's own overlay wrote, with all that it writes nowadays, are read as it shows them.

mod words;

use std::fs;
use std::path::Path;
use std::process::Command;

use words::{Form, at_mnt, is_root, read, write};

fn sh(home: &Path, script: &str) {
    let out = Command::new("sh").args(["-ec", script]).current_dir(home).output().unwrap();
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Takes the mount away, whatever happens.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.join("mnt")).status();
    }
}

/// Mounts the layers with layer 0 as the one that is written to, does something there, and says what is shown then.
fn shown_after(home: &Path, count: usize, script: &str) -> String {
    let lower: Vec<String> = (1..count).map(|at| format!("overlay2/layer{at}/diff")).collect();
    let options = "redirect_dir=on,metacopy=on,upperdir=overlay2/layer0/diff,workdir=work";
    sh(home, &format!("mkdir -p mnt work && mount -t overlay overlay -o lowerdir={},{options} mnt", lower.join(":")));
    let _mount = Mount(home);
    sh(&home.join("mnt"), script);
    read(home, &at_mnt())
}

/// Writes layers, top first, beneath a new one, in which each script does something with a mount of its own.
fn check(layers: &[&str], scripts: &[&str]) {
    if !is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut words: Vec<&str> = vec![""; scripts.len()];
    words.extend(layers);
    let rootfs = write(home.path(), Form::Overlay2, &words);
    let at = |number: usize| home.path().join(format!("overlay2/layer{number}"));
    for (done, script) in scripts.iter().enumerate() {
        // The layer that is written to is layer 0 for the time being; those above it do not exist yet.
        let top = scripts.len() - 1 - done;
        let stack = home.path().join(format!("stack{done}"));
        fs::create_dir_all(stack.join("overlay2")).unwrap();
        for number in top..words.len() {
            std::os::unix::fs::symlink(at(number), stack.join(format!("overlay2/layer{}", number - top))).unwrap();
        }
        let shown = shown_after(&stack, words.len() - top, script);
        let now = model::Rootfs { layers: rootfs.layers[top..].to_vec(), ..rootfs.clone() };
        assert_eq!(read(home.path(), &now), shown, "{script}");
    }
}

#[test]
fn folders_that_were_renamed_show_what_they_had() {
    let layers = ["+f old/deep/a 1; +f other/x 1", "+f old/b 2; +f old/deep/c 3"];
    check(&layers, &["mv old new"]);
    check(&layers, &["mv old new; echo 4 > new/deep/d; rm new/b"]);
    check(&layers, &["mv old/deep other/deeper; mkdir old/deep; echo 5 > old/deep/e"]);
    check(&layers, &["mv old new", "mv new/deep there", "mv there back; mv new old; mkdir new; touch new/fresh"]);
    check(&layers, &["mv old new; mv new/deep new/deeper", "mv new/deeper there; mv new newer", "mv there newer/back"]);
    check(&layers, &["mv old tmp; mv other old; mv tmp other"]);
    check(&layers, &["rm -r old; mkdir old; touch old/only", "mv old moved; mkdir old"]);
}

#[test]
fn files_of_which_only_attributes_were_copied_have_their_content() {
    let layers = ["+f d/a first; +f d/b second", "+f d/a older; +f d/c third"];
    check(&layers, &["chmod 600 d/a d/c"]);
    check(&layers, &["chmod 600 d/a; mv d/a d/moved; chown 5 d/c; mv d/c top"]);
    check(&layers, &["mkdir far; chmod 600 d/a; mv d/a far/a", "mv far/a far/b; chmod 640 far/b", "mv d e"]);
    check(&layers, &["chmod 600 d/b", "mv d e; chmod 640 e/b e/c", "mv e/b e/f; echo more >> e/c"]);
}

#[test]
fn a_hundred_and_twenty_layers_are_one_tree() {
    let words: Vec<String> = (0..120)
        .map(|at| match at % 4 {
            0 => format!("+f d/n{at} {at}; +f same {at}; !o{}; +f o{}/in {at}", at % 12, at % 12),
            1 => format!("-d/n{}; +f e/n{at} {at}", at + 3),
            2 => format!("-e; +d x/y{at}"),
            _ => format!("+f e/kept{at} {at}; +f d/l{at} {at}; +f o{}/lower {at}", (at + 1) % 12),
        })
        .collect();
    let layers: Vec<&str> = words.iter().map(String::as_str).collect();
    check(&layers, &["rm -r x; mv d moved; touch moved/last"]);
}
