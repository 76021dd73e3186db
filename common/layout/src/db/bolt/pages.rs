//! Pages: branches, leaves, and buckets that lie inside of a leaf.

use std::collections::HashSet;

use super::meta::{HEADER, Meta};
use super::{Bucket, Database, Item};

/// Flag of a branch page, of a leaf page, and of a leaf element that is a bucket.
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const IS_BUCKET: u32 = 1;
/// How deep pages and buckets may nest. bbolt itself has no bound; containerd nests buckets six deep.
const DEEPEST: usize = 64;

/// The state that a meta page describes.
pub(super) fn state<'a>(bytes: &'a [u8], meta: &Meta) -> Database<'a> {
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
