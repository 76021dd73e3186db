//! bbolt databases, read from their bytes (docs/layouts/databases.md).
//!
//! The whole tree is read at once into borrowed slices: afterwards nothing can go wrong. No bytes make it panic, loop
//! or read more elements than the file has room for. In reading order: `meta` (where a state begins), `pages` (what it holds).

mod meta;
mod pages;

use meta::Meta;

/// What a database holds, and what could not be read of it.
#[derive(Debug)]
pub struct Database<'a> {
    /// The bucket that holds all others.
    pub root: Bucket<'a>,
    /// The transaction that wrote this state.
    pub transaction: u64,
    /// What is damaged, in words; what it held is missing from `root`. Empty for a whole database.
    pub damage: Vec<String>,
}

/// A bucket: keys with values, and further buckets.
#[derive(Debug, Default)]
pub struct Bucket<'a> {
    /// Sorted by key.
    items: Vec<(&'a [u8], Item<'a>)>,
}

/// What stands under a key.
#[derive(Debug)]
pub enum Item<'a> {
    /// A value.
    Value(&'a [u8]),
    /// A bucket.
    Bucket(Bucket<'a>),
}

/// Why bytes are no database at all.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BoltError {
    /// There is nothing.
    #[error("the database is empty")]
    Empty,
    /// Neither of the two meta pages has a right checksum.
    #[error("neither meta page of the database is whole")]
    NoMeta,
}

impl<'a> Database<'a> {
    /// Reads a whole database. The newer of the two states that it holds is taken, unless it is damaged and the older
    /// one is not, as in a copy that was taken while the engine wrote.
    pub fn read(bytes: &'a [u8]) -> Result<Database<'a>, BoltError> {
        if bytes.is_empty() {
            return Err(BoltError::Empty);
        }
        let mut metas = Meta::find(bytes);
        metas.sort_by_key(|meta| std::cmp::Reverse(meta.transaction));
        let mut best: Option<Database> = None;
        for meta in metas {
            let mut found = pages::state(bytes, &meta);
            match &mut best {
                None if found.damage.is_empty() => return Ok(found),
                None => best = Some(found),
                Some(newer) if found.damage.is_empty() => {
                    found.damage = vec![format!(
                        "the newest state is damaged ({}); the one before it was read",
                        newer.damage.join("; ")
                    )];
                    return Ok(found);
                }
                Some(_) => {}
            }
        }
        best.ok_or(BoltError::NoMeta)
    }
}

impl<'a> Bucket<'a> {
    /// The value of a key; `None` where there is none, or a bucket.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&'a [u8]> {
        match self.item(key.as_ref())? {
            Item::Value(value) => Some(value),
            Item::Bucket(_) => None,
        }
    }

    /// The value of a key as text, with what is not UTF-8 replaced; empty where there is none.
    pub fn text(&self, key: impl AsRef<[u8]>) -> String {
        String::from_utf8_lossy(self.get(key).unwrap_or_default()).into_owned()
    }

    /// The bucket of that name.
    pub fn bucket(&self, name: impl AsRef<[u8]>) -> Option<&Bucket<'a>> {
        match self.item(name.as_ref())? {
            Item::Bucket(bucket) => Some(bucket),
            Item::Value(_) => None,
        }
    }

    /// The bucket at the end of a path of names.
    pub fn at<const N: usize>(&self, path: [&[u8]; N]) -> Option<&Bucket<'a>> {
        path.into_iter().try_fold(self, |bucket, name| bucket.bucket(name))
    }

    /// All keys, sorted by bytes, with what stands under them.
    pub fn items(&self) -> impl Iterator<Item = (&'a [u8], &Item<'a>)> {
        self.items.iter().map(|(key, item)| (*key, item))
    }

    /// The keys that have values, sorted.
    pub fn values(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.items.iter().filter_map(|(key, item)| match item {
            Item::Value(value) => Some((*key, *value)),
            Item::Bucket(_) => None,
        })
    }

    /// The buckets inside, sorted by name.
    pub fn buckets(&self) -> impl Iterator<Item = (&'a [u8], &Bucket<'a>)> {
        self.items.iter().filter_map(|(key, item)| match item {
            Item::Bucket(bucket) => Some((*key, bucket)),
            Item::Value(_) => None,
        })
    }

    fn item(&self, key: &[u8]) -> Option<&Item<'a>> {
        let found = self.items.binary_search_by(|(other, _)| (*other).cmp(key)).ok()?;
        Some(&self.items[found].1)
    }
}

#[cfg(test)]
mod tests {
    use super::meta::{HEADER, fnv1a};
    use super::*;
    use proptest::prelude::*;

    /// docker 20.10.24's volumes/metadata.db, and containerd's own snapshotter database.
    const VOLUMES: &[u8] = include_bytes!("../../../tests/data/docker-20.10.24-volumes.db");

    fn keys(bucket: &Bucket) -> Vec<String> {
        bucket.items().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
    }

    #[test]
    fn volumes_of_docker_are_read() {
        let database = Database::read(VOLUMES).unwrap();
        assert_eq!(database.damage, Vec::<String>::new());
        assert_eq!(keys(&database.root), ["volumes"]);
        let volumes = database.root.bucket("volumes").unwrap();
        assert!(volumes.values().all(|(_, value)| value.starts_with(b"{\"Name\":")));
        assert_eq!(volumes.get("data1").map(|_| ()), volumes.values().find(|(key, _)| *key == b"data1").map(|_| ()));
        assert!(volumes.values().count() > 4);
        assert!(volumes.get("no such volume").is_none() && volumes.bucket("data1").is_none());
    }

    #[test]
    fn torn_newest_state_gives_the_one_before_it() {
        let newest = Meta::find(VOLUMES).into_iter().max_by_key(|meta| meta.transaction).unwrap();
        let mut torn = VOLUMES.to_vec();
        torn[newest.root as usize * newest.page_size + 8] = 0xff;
        let database = Database::read(&torn).unwrap();
        assert_eq!(database.transaction, newest.transaction - 1);
        assert_eq!(database.damage.len(), 1, "{:?}", database.damage);
        assert!(database.damage[0].starts_with("the newest state is damaged (page "), "{:?}", database.damage);
    }

    #[test]
    fn a_bad_checksum_leaves_the_other_meta() {
        for broken in [20, VOLUMES.len() / 8] {
            let mut bytes = VOLUMES.to_vec();
            let page = Meta::parse(VOLUMES).unwrap().page_size;
            let at = if broken == 20 { 20 } else { page + 20 };
            bytes[at] ^= 1;
            assert_eq!(Meta::find(&bytes).len(), 1);
            assert!(Database::read(&bytes).unwrap().root.bucket("volumes").is_some());
        }
        assert_eq!(Database::read(b"").unwrap_err(), BoltError::Empty);
        assert_eq!(Database::read(&[0; 8192]).unwrap_err(), BoltError::NoMeta);
    }

    #[test]
    fn a_page_that_names_itself_ends() {
        let meta = Meta::find(VOLUMES).into_iter().max_by_key(|meta| meta.transaction).unwrap();
        let mut bytes = VOLUMES.to_vec();
        // Both metas name one page, which becomes a branch of 3 elements that all name the page itself.
        let at = meta.root as usize * meta.page_size;
        bytes[at + 8] = 1;
        bytes[at + 10] = 3;
        for element in 0..3 {
            let child = at + HEADER + element * HEADER + 8;
            bytes[child..child + 8].copy_from_slice(&meta.root.to_le_bytes());
        }
        for page in [0, 1] {
            let body = page * meta.page_size + HEADER;
            bytes[body + 16..body + 24].copy_from_slice(&meta.root.to_le_bytes());
            let sum = fnv1a(&bytes[body..body + 56]);
            bytes[body + 56..body + 64].copy_from_slice(&sum.to_le_bytes());
        }
        let database = Database::read(&bytes).unwrap();
        assert_eq!(database.damage, vec![format!("page {} is part of a cycle, or of another page", meta.root); 3]);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic_or_loop(hits in proptest::collection::vec((0..VOLUMES.len(), any::<u8>()), 1..40), cut in 0..VOLUMES.len()) {
            let mut bytes = VOLUMES.to_vec();
            for (at, byte) in hits {
                // The metas stay, or every case would end at their checksums.
                if at % 4096 > 80 || at > 8192 {
                    bytes[at] = byte;
                }
            }
            let _ = Database::read(&bytes);
            let _ = Database::read(&bytes[..cut]);
        }
    }
}
