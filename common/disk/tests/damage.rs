//! Filesystems and pools with bytes changed at random: they are read to an end, whatever comes.

mod listing;

use std::sync::{Arc, LazyLock};

use disk::thin::Pool;
use disk::{Device, Image};
use hostfs::{Dir, FileKind, Root};
use listing::sh;
use model::HostPath;
use proptest::prelude::*;

/// More names than the tree has; a walk that comes to so many does not end.
const MOST: usize = 20_000;

/// Filesystems of some forms, small so that changes hit something: with blocks of 1 KiB, a journal, hashed directories.
static IMAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    sh(
        "mkdir -p t/d/e/f && cd t && echo x > f && ln f d/hard && ln -s d link && seq 9999 > d/e/big && mkdir many && cd many \
         && touch $(seq -f 'name-%g-of-a-directory' 200) && setfattr -n user.k -v v name-1-of-a-directory",
        dir.path(),
    );
    let forms = ["-t ext4 -b 1024", "-t ext2 -b 1024", "-t ext4 -b 1024 -O inline_data -I 256"];
    let image = |form: &str| {
        sh(
            &format!("mke2fs -q -F {form} -d t image 2M && {{ e2fsck -fyD image > /dev/null || [ $? = 1 ]; }}"),
            dir.path(),
        );
        std::fs::read(dir.path().join("image")).unwrap()
    };
    forms.map(image).into()
});

static POOL: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("image"), &IMAGES[0]).unwrap();
    testkit::thin::pool(dir.path(), &[(1, &dir.path().join("image"))]);
    let root = Root::open(dir.path()).unwrap();
    let read = |name: &str| {
        let image = Image::new(root.open_file(&HostPath::from(name)).unwrap());
        let mut bytes = vec![0; image.size() as usize];
        image.read(&mut bytes, 0).unwrap();
        bytes
    };
    (read("metadata"), read("data"))
});

/// Reads everything of a tree.
fn read_all(device: Arc<dyn Device>) -> usize {
    let Ok((tree, top)) = disk::tree(device) else { return 0 };
    let (mut left, mut count) = (Dir::of_tree(tree, top).into_iter().collect::<Vec<_>>(), 0);
    while let Some(dir) = left.pop() {
        for entry in dir.entries().unwrap_or_default() {
            count += 1;
            assert!(count < MOST, "the walk does not end");
            let _ = dir.xattrs(&entry.name);
            match dir.stat(&entry.name).map(|stat| stat.kind) {
                Ok(FileKind::Directory) => left.extend(dir.open_dir(&entry.name)),
                Ok(FileKind::Symlink) => drop(dir.read_link(&entry.name)),
                Ok(FileKind::File) => {
                    if let Ok(file) = dir.open_file(&entry.name) {
                        let _ = file.extents();
                        let _ = file.read_at(&mut [0; 5000], file.stat().size / 2);
                        let _ = file.read_at(&mut [0; 5000], 0);
                    }
                }
                _ => {}
            }
        }
        dir.take_findings();
    }
    count
}

fn changed(bytes: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in changes {
        let at = at % bytes.len();
        bytes[at] = *byte;
    }
    bytes
}

/// Places in the superblock, the first tables, or anywhere; bytes that make large numbers among them.
fn changes() -> impl Strategy<Value = Vec<(usize, u8)>> {
    let place = prop_oneof![1024..2048usize, 2048..64_000usize, 0..2_097_152usize];
    let byte = prop_oneof![Just(0), Just(0xFF), any::<u8>()];
    prop::collection::vec((place, byte), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_filesystem_is_read_to_an_end(form in 0..3usize, changes in changes()) {
        read_all(Arc::new(changed(&IMAGES[form], &changes)));
    }

    #[test]
    fn bytes_of_any_kind_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let mut bytes = bytes;
        if bytes.len() > 1100 {
            bytes[1024 + 56..][..2].copy_from_slice(&[0x53, 0xEF]);
        }
        read_all(Arc::new(bytes));
    }

    #[test]
    fn a_damaged_pool_is_read_to_an_end(changes in changes(), fixed in any::<bool>()) {
        let (metadata, data) = &*POOL;
        let mut metadata = changed(metadata, &changes);
        if fixed {
            sign(&mut metadata);
        }
        if let Ok(pool) = Pool::open(Arc::new(metadata), Arc::new(data.clone()))
            && let Ok(device) = pool.device(1, 2 << 20)
        {
            read_all(Arc::new(device));
        }
    }
}

/// Gives blocks the checksums that belong to them, so that what they say is followed.
fn sign(metadata: &mut [u8]) {
    for (at, block) in metadata.chunks_exact_mut(4096).take(64).enumerate() {
        let salt: u32 = if at == 0 { 160_774 } else { 121_107 };
        let sum = !(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &block[4..]) as u32) ^ salt;
        block[..4].copy_from_slice(&sum.to_le_bytes());
    }
}

#[test]
fn a_directory_in_itself_is_walked_once() {
    let dir = tempfile::tempdir().unwrap();
    sh(
        "mkdir -p t/a/b && mke2fs -q -F -b 1024 -d t image 2M && printf 'link a a/b/again\\nlink / a/top\\n' | debugfs -w -f - image 2> /dev/null",
        dir.path(),
    );
    let bytes = std::fs::read(dir.path().join("image")).unwrap();
    assert_eq!(read_all(Arc::new(bytes)), 5, "lost+found, a, b, again, top");
}
