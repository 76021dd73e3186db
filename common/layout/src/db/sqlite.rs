//! SQLite databases, read from their bytes (docs/layouts/databases.md): linkgraph.db of docker, db.sql of podman.
//!
//! Opening a file with SQLite would create `-shm` beside it or lock it, so it gets a copy in memory. What stands in the
//! write-ahead log is put into that copy first; where the log itself is damaged, the last whole transaction counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::limits::Limit;
use rusqlite::{Connection, MAIN_DB};

/// Why bytes are no database.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// There is nothing.
    #[error("the database is empty")]
    Empty,
    /// It does not begin as a database does.
    #[error("it is not an SQLite database")]
    NotSqlite,
    /// SQLite refused it.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// A database in memory, whatever became of the file.
pub struct Database {
    connection: Connection,
    /// What the question that is being answered has taken, in units of [`STEP`].
    steps: Arc<AtomicU32>,
}

/// Bytes of the header of a database.
const HEADER: usize = 100;
/// Bytes of the header of a write-ahead log, and of each frame in it.
const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Steps of SQLite's machine that one question may take, in units of [`STEP`]. A table of 100,000 containers takes
/// some millions; a b-tree whose pages name each other would take for ever.
const STEPS: u32 = 20_000;
const STEP: i32 = 1000;

impl Database {
    /// Opens a database from its bytes and those of its write-ahead log, where there is one.
    pub fn read(mut bytes: Vec<u8>, wal: Option<&[u8]>) -> Result<Database, SqliteError> {
        if bytes.is_empty() && wal.is_none_or(<[u8]>::is_empty) {
            return Err(SqliteError::Empty);
        }
        if let Some(wal) = wal {
            replay(&mut bytes, wal);
        }
        if bytes.len() < HEADER || !bytes.starts_with(b"SQLite format 3\0") {
            return Err(SqliteError::NotSqlite);
        }
        // Bytes 18 and 19 say that there is a write-ahead log (2), which a database in memory cannot have.
        bytes[18..20].fill(1);
        let mut connection = Connection::open_in_memory()?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 32 << 20)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.deserialize_read_exact(MAIN_DB, &bytes[..], bytes.len(), true)?;
        connection.execute_batch("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0")?;
        let steps = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&steps);
        connection.progress_handler(STEP, Some(move || counted.fetch_add(1, Ordering::Relaxed) > STEPS))?;
        Ok(Database { connection, steps })
    }

    /// Asks for all rows of `sql` and maps each. Rows before a damaged page are kept; the second value says what ended
    /// them early.
    pub fn rows<T>(
        &self,
        sql: &str,
        mut map: impl FnMut(&rusqlite::Row) -> rusqlite::Result<T>,
    ) -> (Vec<T>, Option<SqliteError>) {
        let mut out = Vec::new();
        let ended = self.each(sql, |row| map(row).map(|value| out.push(value))).err();
        (out, ended)
    }

    fn each(&self, sql: &str, mut take: impl FnMut(&rusqlite::Row) -> rusqlite::Result<()>) -> Result<(), SqliteError> {
        self.steps.store(0, Ordering::Relaxed);
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok(())
    }

    /// The names of its tables, sorted.
    pub fn tables(&self) -> Vec<String> {
        self.rows("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name", |row| row.get(0)).0
    }
}

/// Puts the committed pages of a write-ahead log into the database (sqlite.org/fileformat2.html, section 4).
fn replay(database: &mut Vec<u8>, wal: &[u8]) {
    let Some(header) = WalHeader::parse(wal) else { return };
    let mut sum = header.sum;
    let mut waiting: Vec<(usize, &[u8])> = Vec::new();
    for frame in wal[WAL_HEADER..].chunks_exact(FRAME_HEADER + header.page_size) {
        let (head, page) = frame.split_at(FRAME_HEADER);
        sum = header.add(header.add(sum, &head[..8]), page);
        if head[8..16] != header.salt || (word(head, 16), word(head, 20)) != sum {
            break;
        }
        waiting.push((word(head, 0) as usize, page));
        let pages = word(head, 4) as usize;
        if pages != 0 {
            apply(database, &mut waiting, pages, header.page_size);
        }
    }
}

/// Writes the pages of one transaction. `pages` is the size of the database after it.
fn apply(database: &mut Vec<u8>, waiting: &mut Vec<(usize, &[u8])>, pages: usize, page_size: usize) {
    let Some(size) = pages.checked_mul(page_size).filter(|&size| size as u64 <= super::LIMIT) else { return };
    database.resize(size, 0);
    for (number, page) in waiting.drain(..) {
        let start = number.wrapping_sub(1).saturating_mul(page_size);
        if let Some(place) = database.get_mut(start..start.saturating_add(page_size)) {
            place.copy_from_slice(page);
        }
    }
}

struct WalHeader {
    page_size: usize,
    /// Two random words: frames with others are left from an earlier round.
    salt: [u8; 8],
    sum: (u32, u32),
    big_endian_sums: bool,
}

impl WalHeader {
    fn parse(wal: &[u8]) -> Option<WalHeader> {
        let head = wal.get(..WAL_HEADER)?;
        let big_endian_sums = match word(head, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let page_size = word(head, 8) as usize;
        let salt = *head[16..24].first_chunk()?;
        let mut header = WalHeader { page_size, salt, sum: (0, 0), big_endian_sums };
        header.sum = header.add((0, 0), &head[..24]);
        let right = header.sum == (word(head, 24), word(head, 28));
        (right && page_size.is_power_of_two() && (512..=65536).contains(&page_size)).then_some(header)
    }

    /// Carries the running checksum on over `bytes`, eight at a time.
    fn add(&self, (mut a, mut b): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let number =
            |raw: [u8; 4]| if self.big_endian_sums { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) };
        for pair in bytes.chunks_exact(8) {
            a = a.wrapping_add(number([pair[0], pair[1], pair[2], pair[3]])).wrapping_add(b);
            b = b.wrapping_add(number([pair[4], pair[5], pair[6], pair[7]])).wrapping_add(a);
        }
        (a, b)
    }
}

/// The big-endian word at `at`, which the caller knows to be there.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINKS: &[u8] = include_bytes!("../../tests/data/docker-1.2.0-linkgraph.db");
    const EDGES: &str = "SELECT name FROM edge WHERE parent_id='0' ORDER BY name";

    fn names(database: &Database, sql: &str) -> Vec<String> {
        let (names, ended) = database.rows(sql, |row| row.get::<_, String>(0));
        assert!(ended.is_none(), "{:?}", ended);
        names
    }

    #[test]
    fn names_of_docker_1_2_are_read() {
        let database = Database::read(LINKS.to_vec(), None).unwrap();
        assert_eq!(database.tables(), ["edge", "entity"]);
        let names = names(&database, EDGES);
        assert!(names.contains(&"web".to_string()) && names.contains(&"linked".to_string()), "{names:?}");
    }

    /// A database in WAL mode as SQLite leaves it when the power fails: the file, and the log beside it.
    fn with_log(statements: &[&str]) -> (Vec<u8>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.sql");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(name TEXT)")
            .unwrap();
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        for statement in statements {
            connection.execute_batch(statement).unwrap();
        }
        (std::fs::read(&path).unwrap(), std::fs::read(dir.path().join("db.sql-wal")).unwrap())
    }

    #[test]
    fn the_log_is_read_up_to_the_last_whole_transaction() {
        let (file, wal) = with_log(&["INSERT INTO t VALUES('a')", "INSERT INTO t VALUES('b')"]);
        let all = "SELECT name FROM t ORDER BY name";
        let read = |wal: Option<&[u8]>| names(&Database::read(file.clone(), wal).unwrap(), all);
        assert_eq!(read(None), Vec::<String>::new());
        assert_eq!(read(Some(b"")), Vec::<String>::new());
        assert_eq!(read(Some(&wal)), ["a", "b"]);
        assert_eq!(read(Some(&wal[..wal.len() - 1])), ["a"]);
        let mut damaged = wal.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert_eq!(read(Some(&damaged)), ["a"]);
    }

    #[test]
    fn what_is_no_database_is_said() {
        for (bytes, why) in [(&b""[..], "the database is empty"), (b"hello", "it is not an SQLite database")] {
            assert_eq!(Database::read(bytes.to_vec(), None).err().unwrap().to_string(), why);
        }
    }

    #[test]
    fn a_question_without_end_is_ended() {
        let database = Database::read(LINKS.to_vec(), None).unwrap();
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT count(*) FROM n";
        assert!(database.rows(endless, |_| Ok(())).1.is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damage_makes_it_panic_or_loop(hits in proptest::collection::vec((100..LINKS.len(), any::<u8>()), 1..60), cut in 0..LINKS.len()) {
            let mut bytes = LINKS.to_vec();
            for (at, byte) in hits {
                bytes[at] = byte;
            }
            for bytes in [bytes.clone(), bytes[..cut].to_vec()] {
                if let Ok(database) = Database::read(bytes, None) {
                    let _ = database.rows(EDGES, |row| row.get::<_, String>(0));
                }
            }
        }
    }
}
