//! Pools whose metadata thin_restore wrote.

mod listing;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use disk::thin::Pool;
use disk::{Device, DiskError, Image};
use hostfs::{Dir, Root};
use listing::{TREE, listing, sh};
use model::HostPath;

fn image(folder: &Path, name: &str) -> Arc<dyn Device> {
    Arc::new(Image::new(Root::open(folder).unwrap().open_file(&HostPath::from(name)).unwrap()))
}

fn pool(folder: &Path) -> Result<Pool, DiskError> {
    Pool::open(image(folder, "metadata"), image(folder, "data"))
}

/// Two filesystems of which the second is a changed copy of the first, and a pool of both.
fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    sh(TREE, dir.path());
    sh(
        "mke2fs -q -F -t ext4 -d t one 64M && cp one two && printf 'write /etc/hostname new\\nrm f\\n' | debugfs -w -f - two 2> /dev/null",
        dir.path(),
    );
    let at = |name: &str| dir.path().join(name);
    testkit::thin::pool(dir.path(), &[(1, &at("one")), (7, &at("two"))]);
    dir
}

#[test]
fn devices_of_a_pool_are_byte_for_byte_what_was_written_to_them() {
    let dir = made();
    let pool = pool(dir.path()).unwrap();
    for (number, name) in [(1, "one"), (7, "two")] {
        let device = pool.device(number, 64 << 20).unwrap();
        let mut bytes = vec![1; 64 << 20];
        device.read(&mut bytes, 0).unwrap();
        assert!(bytes == fs::read(dir.path().join(name)).unwrap(), "{name}");
        let (tree, top) = disk::tree(Arc::new(device)).unwrap();
        let read = listing(&Dir::of_tree(tree, top).unwrap());
        let (tree, top) = disk::tree(image(dir.path(), name)).unwrap();
        assert_eq!(read, listing(&Dir::of_tree(tree, top).unwrap()));
    }
    assert_eq!(pool.transaction(), 3);
    assert!(matches!(pool.device(2, 64 << 20), Err(DiskError::NoDevice(2))));
}

#[test]
fn damage_is_said_where_it_lies() {
    let dir = made();
    let whole = fs::read(dir.path().join("metadata")).unwrap();
    let said = |bytes: &[u8]| {
        fs::write(dir.path().join("metadata"), bytes).unwrap();
        let device = pool(dir.path()).and_then(|pool| pool.device(1, 64 << 20));
        let read = device.and_then(|device| device.read(&mut vec![0; 64 << 20], 0));
        read.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    assert_eq!(said(&whole), "");
    assert_eq!(said(&changed(33)), "the superblock of the pool is damaged: its magic number is another");
    assert_eq!(said(&changed(48)), "the superblock of the pool is damaged: its checksum is wrong");
    assert_eq!(said(&whole[..4000]), "cannot read 4096 bytes at byte 0");
    let top = u64::from_le_bytes(whole[320..328].try_into().unwrap()) as usize;
    let node = format!("block {top} of the pool's metadata is damaged: ");
    assert_eq!(said(&changed(top * 4096 + 100)), node.clone() + "its checksum is wrong");
    fs::File::options().write(true).open(dir.path().join("data")).unwrap().set_len(64 << 10).unwrap();
    assert!(said(&whole).contains("beyond the end of the pool"));
}
