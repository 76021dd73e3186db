//! Filesystems that mke2fs and the kernel wrote.

mod listing;

use std::path::Path;
use std::sync::Arc;

use disk::Image;
use hostfs::{Dir, Root};
use listing::{TREE, listing, sh};
use model::HostPath;

fn open(folder: &Path, name: &str) -> Dir {
    let root = Root::open(folder).unwrap();
    let image = Image::new(root.open_file(&HostPath::from(name)).unwrap());
    let (tree, top) = disk::tree(Arc::new(image)).unwrap();
    Dir::of_tree(tree, top).unwrap()
}

fn told(folder: &Path, name: &str) -> Vec<String> {
    listing(&Root::open(folder).unwrap().open_dir(&HostPath::from(name)).unwrap())
}

#[test]
fn a_tree_is_what_was_put_into_it_whatever_the_features() {
    let dir = tempfile::tempdir().unwrap();
    sh(TREE, dir.path());
    let whole = told(dir.path(), "t");
    assert!(whole.len() > 1500);
    for options in [
        "-t ext4",
        "-t ext4 -b 1024",
        "-t ext4 -O ^64bit,^flex_bg -I 128",
        "-t ext4 -O meta_bg,^resize_inode -b 1024",
        "-t ext4 -O inline_data -I 512",
        "-t ext4 -O ea_inode",
        "-t ext4 -O bigalloc -C 16384",
        "-t ext3 -b 1024",
        "-t ext2",
    ] {
        sh(
            &format!("mke2fs -q -F {options} -d t image 64M && {{ e2fsck -fyD image > /dev/null || [ $? = 1 ]; }}"),
            dir.path(),
        );
        let image = open(dir.path(), "image");
        // mke2fs 1.47 loses the size of files that begin with a hole where it tries to keep them inline.
        let kept =
            |line: &&String| !options.contains("inline") || !(line.starts_with("/sparse") || line.starts_with("/hole"));
        let read = listing(&image);
        let (read, whole): (Vec<_>, Vec<_>) = (read.iter().filter(kept).collect(), whole.iter().filter(kept).collect());
        for (read, whole) in read.iter().zip(&whole) {
            assert_eq!(read, whole, "{options}");
        }
        assert_eq!(read.len(), whole.len(), "{options}");
        assert_eq!(image.take_findings(), vec![], "{options}");
    }
}

/// Takes the mount away, whatever happens.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.join("m")).status();
    }
}

#[test]
fn a_filesystem_that_was_cut_off_is_read_with_its_journal() {
    let dir = tempfile::tempdir().unwrap();
    // Blocks of 1 KiB, of which one begins like the journal's own, and a name that was there and is gone.
    let script = "mke2fs -q -F -t ext4 -b 1024 -J size=8 image 64M && mkdir m && mount -o loop,data=journal image m";
    sh(script, dir.path());
    let _mount = Mount(dir.path());
    sh(
        "cd m && mkdir a && printf '\\300\\073\\071\\230 and more' > a/magic && seq 5000 > a/numbers && touch gone && sync -f . \
         && rm gone && mv a b && touch -d '2100-01-01 00:00:00.123456789Z' b/magic && setfattr -n user.k -v v b/magic && mkdir -p b/c/d && rm b/numbers && seq 6000 > b/others && sync b/others b/c/d b \
         && cd .. && cp image cut",
        dir.path(),
    );
    let whole = told(dir.path(), "m");
    assert!(sh("dumpe2fs -h cut 2>/dev/null", dir.path()).contains("needs_recovery"));
    let cut = open(dir.path(), "cut");
    assert_eq!(listing(&cut), whole);
    assert_eq!(cut.take_findings(), vec![]);
    assert_eq!(cut.open_dir(b"b").unwrap().stat(b"magic").unwrap().mtime.to_string(), "2100-01-01T00:00:00.123456789Z");
    // The comparison means something: without its journal the filesystem is another.
    sh("cp cut naked && debugfs -w -R 'feature -needs_recovery' naked 2>/dev/null", dir.path());
    let naked = std::panic::catch_unwind(|| listing(&open(dir.path(), "naked")));
    assert!(naked.is_err() || naked.is_ok_and(|naked| naked != whole));
}
