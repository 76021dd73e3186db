//! bbolt databases, read from their bytes (docs/layouts/databases.md).
//!
//! The whole tree is read at once into borrowed slices: afterwards nothing can go wrong. No bytes make it panic, loop
//! or read more elements than the file has room for.

use std::collections::HashSet;

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
            let mut found = read_state(bytes, &meta);
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

/// Magic of a meta page (bbolt internal/common/types.go `Magic`).
const MAGIC: u32 = 0xED0C_DAED;
/// Bytes of a page's header, and of each element's (internal/common/page.go).
const HEADER: usize = 16;
/// Flag of a branch page, of a leaf page, and of a leaf element that is a bucket.
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const IS_BUCKET: u32 = 1;
/// How deep pages and buckets may nest. bbolt itself has no bound; containerd nests buckets six deep.
const DEEPEST: usize = 64;

/// One of the two descriptions of a state of the database.
#[derive(Clone, Copy, Debug)]
struct Meta {
    order: Order,
    page_size: usize,
    root: u64,
    transaction: u64,
}

/// bbolt writes in the byte order of the machine.
#[derive(Clone, Copy, Debug)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u16::from_le_bytes(*raw),
            Order::Big => u16::from_be_bytes(*raw),
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u32::from_le_bytes(*raw),
            Order::Big => u32::from_be_bytes(*raw),
        })
    }

    fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u64::from_le_bytes(*raw),
            Order::Big => u64::from_be_bytes(*raw),
        })
    }
}

impl Meta {
    /// The metas with a right checksum: the first stands at the start, the second one page further.
    fn find(bytes: &[u8]) -> Vec<Meta> {
        let first = Meta::parse(bytes);
        let sizes: Vec<usize> = match first {
            Some(meta) => vec![meta.page_size],
            None => (9..=16).map(|power| 1 << power).collect(),
        };
        let second =
            sizes.into_iter().find_map(|size| Meta::parse(bytes.get(size..)?).filter(|meta| meta.page_size == size));
        first.into_iter().chain(second).collect()
    }

    fn parse(page: &[u8]) -> Option<Meta> {
        let body = page.get(HEADER..HEADER + 64)?;
        let order = [Order::Little, Order::Big].into_iter().find(|order| order.u32(body, 0) == Some(MAGIC))?;
        let page_size = order.u32(body, 8)? as usize;
        let right = order.u64(body, 56)? == fnv1a(&body[..56]) && order.u32(body, 4)? == 2;
        let sensible = page_size.is_power_of_two() && (512..=1 << 20).contains(&page_size);
        (right && sensible).then_some(Meta {
            order,
            page_size,
            root: order.u64(body, 16)?,
            transaction: order.u64(body, 48)?,
        })
    }
}

/// FNV-1a with 64 bits, bbolt's checksum of a meta (internal/common/meta.go `Sum64`).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn read_state<'a>(bytes: &'a [u8], meta: &Meta) -> Database<'a> {
    let mut reader =
        Reader { bytes, meta: *meta, seen: HashSet::new(), budget: bytes.len() / HEADER, damage: Vec::new() };
    let root = reader.bucket_of_page(meta.root, 0);
    Database { root, transaction: meta.transaction, damage: reader.damage }
}

struct Reader<'a> {
    bytes: &'a [u8],
    meta: Meta,
    /// Pages read: each belongs to one place in the tree, so a second visit is a cycle or a shared page.
    seen: HashSet<u64>,
    /// Elements that may still come. All together they cannot be more than fit into the file.
    budget: usize,
    damage: Vec<String>,
}

impl<'a> Reader<'a> {
    fn bucket_of_page(&mut self, page: u64, depth: usize) -> Bucket<'a> {
        let mut items = Vec::new();
        self.page(page, depth, &mut items);
        sorted(items)
    }

    /// Reads a page of the tree and all below it.
    fn page(&mut self, number: u64, depth: usize, items: &mut Vec<(&'a [u8], Item<'a>)>) {
        let page = match self.page_bytes(number) {
            Some(page) => page,
            None => return self.note(|| format!("page {number} lies outside of the file")),
        };
        // Further pages that belong to it are its own as well.
        let pages = page.len().div_ceil(self.meta.page_size) as u64;
        let is_new = (number..number + pages).all(|number| self.seen.insert(number));
        if depth > DEEPEST || !is_new {
            return self.note(|| format!("page {number} is part of a cycle, or of another page"));
        }
        self.elements(page, &format!("page {number}"), depth, items);
    }

    /// A page with its overflow.
    fn page_bytes(&self, number: u64) -> Option<&'a [u8]> {
        let size = self.meta.page_size;
        let start = usize::try_from(number).ok()?.checked_mul(size)?;
        let head = self.bytes.get(start..)?;
        let pages = (self.meta.order.u32(head, 12)? as usize).checked_add(1)?;
        // A copy that ends early may still hold the elements in use: what is missing shows when they are read.
        let end = pages.checked_mul(size)?.min(head.len());
        head.get(..end).filter(|page| page.len() >= HEADER)
    }

    fn elements(&mut self, page: &'a [u8], name: &str, depth: usize, items: &mut Vec<(&'a [u8], Item<'a>)>) {
        let order = self.meta.order;
        let (Some(flags), Some(count)) = (order.u16(page, 8), order.u16(page, 10)) else {
            return self.note(|| format!("{name} is cut"));
        };
        // Keys and values stand behind the table of elements, none on another: what does not fit is damage.
        let table = HEADER + usize::from(count) * HEADER;
        let mut room = page.len().saturating_sub(table);
        for index in 0..usize::from(count) {
            if self.budget == 0 {
                return self.note(|| format!("{name} has more elements than the file has room for"));
            }
            self.budget -= 1;
            let at = HEADER + index * HEADER;
            let read = match flags & (BRANCH | LEAF) {
                BRANCH => self.branch(page, at, depth, items),
                LEAF => self.leaf(page, at, table, &mut room, depth, items),
                _ => return self.note(|| format!("{name} is neither branch nor leaf")),
            };
            if read.is_none() {
                self.note(|| format!("element {index} of {name} lies outside of it, or on another"));
            }
        }
    }

    /// A branch element: position and size of a key, and the page that holds what begins with it.
    fn branch(&mut self, page: &'a [u8], at: usize, depth: usize, items: &mut Vec<(&'a [u8], Item<'a>)>) -> Option<()> {
        let child = self.meta.order.u64(page, at + 8)?;
        self.page(child, depth + 1, items);
        Some(())
    }

    /// A leaf element: flags, position from the element itself, size of the key, size of the value.
    /// `table` is where the table of elements ends, `room` what is left behind it.
    fn leaf(
        &mut self,
        page: &'a [u8],
        at: usize,
        table: usize,
        room: &mut usize,
        depth: usize,
        items: &mut Vec<(&'a [u8], Item<'a>)>,
    ) -> Option<()> {
        let order = self.meta.order;
        let word = |n: usize| order.u32(page, at + 4 * n).map(|word| word as usize);
        let flags = order.u32(page, at)?;
        let (position, key_size, value_size) = (word(1)?, word(2)?, word(3)?);
        let start = at.checked_add(position).filter(|&start| start >= table)?;
        *room = room.checked_sub(key_size.checked_add(value_size)?)?;
        let middle = start.checked_add(key_size)?;
        let key = page.get(start..middle)?;
        let value = page.get(middle..middle.checked_add(value_size)?)?;
        let item = if flags & IS_BUCKET == 0 {
            Item::Value(value)
        } else {
            Item::Bucket(self.bucket(value, key, depth + 1)?)
        };
        items.push((key, item));
        Some(())
    }

    /// A bucket's value: its root page and a sequence; a page itself follows where the root page is 0.
    fn bucket(&mut self, value: &'a [u8], key: &[u8], depth: usize) -> Option<Bucket<'a>> {
        let root = self.meta.order.u64(value, 0)?;
        if root != 0 {
            return Some(self.bucket_of_page(root, depth));
        }
        let mut items = Vec::new();
        let name = format!("bucket '{}'", String::from_utf8_lossy(key));
        match value.get(HEADER..).filter(|page| page.len() >= HEADER) {
            _ if depth > DEEPEST => self.note(|| format!("{name} lies too deep")),
            Some(page) => self.elements(page, &name, depth, &mut items),
            None => return None,
        }
        Some(sorted(items))
    }

    /// Keeps the first few: thousands of them would say no more.
    fn note(&mut self, what: impl FnOnce() -> String) {
        match self.damage.len() {
            0..8 => self.damage.push(what()),
            8 => self.damage.push("and more".to_string()),
            _ => {}
        }
    }
}

/// A bucket of elements that are in order already, unless they are damaged.
fn sorted<'a>(mut items: Vec<(&'a [u8], Item<'a>)>) -> Bucket<'a> {
    items.sort_by(|a, b| a.0.cmp(b.0));
    Bucket { items }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// docker 20.10.24's volumes/metadata.db, and containerd's own snapshotter database.
    const VOLUMES: &[u8] = include_bytes!("../../tests/data/docker-20.10.24-volumes.db");

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
