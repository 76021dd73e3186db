//! SQLite's rollback journal: what stood in the database before a transaction that never ended
//! (sqlite.org/fileformat2.html, section 3; sqlite 3.46 src/pager.c pager_playback).

/// The beginning of each header in a journal that is hot: a finished one is gone, empty, or begins with zeros.
const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Bytes of a header that say something; it fills a whole sector.
const HEADER: usize = 28;

/// Puts back the pages that a hot journal keeps; with any other, nothing changes.
pub fn roll_back(database: &mut Vec<u8>, journal: &[u8]) {
    let mut at = 0;
    let mut is_first = true;
    while let Some(header) = Header::parse(&journal[at.min(journal.len())..]) {
        if is_first {
            // The transaction may have made the database longer.
            let size = (header.pages as usize).saturating_mul(header.page_size);
            database.truncate(size);
            is_first = false;
        }
        at += header.sector;
        let each = header.page_size + 8;
        let there = journal.len().saturating_sub(at) / each;
        let count = if header.count == u32::MAX { there } else { there.min(header.count as usize) };
        for record in journal[at.min(journal.len())..].chunks_exact(each).take(count) {
            if !header.put(database, record) {
                return;
            }
        }
        at = (at + count * each).next_multiple_of(header.sector);
    }
}

struct Header {
    /// Pages that follow, all ones for as many as there are.
    count: u32,
    /// Where checksums begin.
    nonce: u32,
    /// Pages of the database before the transaction.
    pages: u32,
    sector: usize,
    page_size: usize,
}

impl Header {
    fn parse(raw: &[u8]) -> Option<Header> {
        let raw = raw.get(..HEADER).filter(|raw| raw.starts_with(&MAGIC))?;
        let word = |at: usize| raw[at..at + 4].iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
        let (sector, page_size) = (word(20) as usize, word(24) as usize);
        let is_sane = |size: usize, least: usize| size.is_power_of_two() && (least..=65_536).contains(&size);
        let header = Header { count: word(8), nonce: word(12), pages: word(16), sector, page_size };
        (is_sane(sector, 32) && is_sane(page_size, 512)).then_some(header)
    }

    /// Puts one page back: its number, its bytes, its checksum. `false` where that is wrong: there the journal ends.
    fn put(&self, database: &mut Vec<u8>, record: &[u8]) -> bool {
        let word = |raw: &[u8]| raw.iter().take(4).fold(0u32, |word, &byte| word << 8 | u32::from(byte));
        let (number, page) = (word(record) as usize, &record[4..4 + self.page_size]);
        if number == 0 || word(&record[4 + self.page_size..]) != self.sum(page) {
            return false;
        }
        let start = (number - 1).saturating_mul(self.page_size);
        let end = start.saturating_add(self.page_size);
        if number > self.pages as usize || end as u64 > super::LIMIT {
            return true;
        }
        if database.len() < end {
            database.resize(end, 0);
        }
        database[start..end].copy_from_slice(page);
        true
    }

    /// Every two-hundredth byte, from behind.
    fn sum(&self, page: &[u8]) -> u32 {
        let places = (1..).map_while(|n: usize| self.page_size.checked_sub(n * 200)).take_while(|&at| at > 0);
        places.fold(self.nonce, |sum, at| sum.wrapping_add(u32::from(page[at])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::sqlite::Database;
    use proptest::prelude::*;

    /// A database in the middle of a transaction that has already been written to it, and the journal beside it.
    fn cut_off() -> (Vec<u8>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("linkgraph.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .execute_batch("PRAGMA cache_size=1; CREATE TABLE t(name TEXT); INSERT INTO t VALUES('before')")
            .unwrap();
        connection
            .execute_batch(
                "BEGIN; UPDATE t SET name='after'; CREATE TABLE u AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n \
                 LIMIT 9000) SELECT x, 'filler' FROM n; UPDATE u SET x = x + 1",
            )
            .unwrap();
        (std::fs::read(&path).unwrap(), std::fs::read(dir.path().join("linkgraph.db-journal")).unwrap())
    }

    fn names(bytes: Vec<u8>) -> Vec<String> {
        let Ok(database) = Database::read(bytes, None) else { return Vec::new() };
        database.rows("SELECT name FROM t", |row| row.get(0)).0
    }

    #[test]
    fn a_transaction_that_never_ended_is_taken_back() {
        let (mut database, journal) = cut_off();
        assert_ne!(names(database.clone()), ["before"], "the database was written to");
        roll_back(&mut database, &journal);
        assert_eq!(names(database.clone()), ["before"]);
        // As SQLite leaves the journal of a transaction that ended, in its three ways.
        let whole = database.clone();
        let mut zeroed = journal.clone();
        zeroed[..HEADER].fill(0);
        for ended in [&b""[..], &zeroed, b"no journal"] {
            roll_back(&mut database, ended);
            assert!(database == whole);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damage_makes_it_panic_or_loop(hits in prop::collection::vec((0..4096usize, any::<u8>()), 1..20), cut in 0..4096usize) {
            let (database, mut journal) = cut_off();
            for (at, byte) in hits {
                let at = at % journal.len();
                journal[at] = byte;
            }
            for journal in [&journal[..], &journal[..cut.min(journal.len())]] {
                let mut database = database.clone();
                roll_back(&mut database, journal);
                names(database);
            }
        }

        #[test]
        fn any_bytes_behind_the_magic_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let mut database = vec![0; 4096];
            roll_back(&mut database, &[&MAGIC, &bytes[..]].concat());
        }
    }
}
