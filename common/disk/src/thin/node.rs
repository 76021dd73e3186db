//! Nodes of the trees in a pool's metadata (linux 6.12 drivers/md/persistent-data/dm-btree-internal.h).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bytes::Bytes;
use crate::device::Device;
use crate::error::DiskError;

/// Bytes of a block of metadata.
pub const NODE: usize = 4096;
/// Makes the checksums of nodes differ from those of other blocks.
const SALT: u32 = 121_107;
/// Nodes on the way down. Of 126 children each, five levels hold 31,000,000,000 mappings.
const DEPTH: usize = 12;
/// Nodes that are kept; 2 MiB.
const KEPT: usize = 512;
const HEADER: usize = 32;

/// The checksum of a block: CRC-32C of all but the checksum itself, without the final inversion, and salted
/// (dm-bitset and dm-btree use the kernel's `crc32c(~0, …)`).
pub fn checksum(raw: &[u8; NODE], salt: u32) -> u32 {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &raw[4..]) as u32;
    !crc ^ salt
}

/// The nodes of a metadata device.
pub struct Nodes {
    device: Arc<dyn Device>,
    kept: Mutex<HashMap<u64, Arc<Node>>>,
}

struct Node {
    is_leaf: bool,
    keys: Vec<u64>,
    values: Vec<u64>,
}

impl Nodes {
    /// Those of a device.
    pub fn new(device: Arc<dyn Device>) -> Nodes {
        Nodes { device, kept: Mutex::default() }
    }

    /// What the tree below `top` has for a key.
    pub fn find(&self, top: u64, key: u64) -> Result<Option<u64>, DiskError> {
        let mut at = top;
        for _ in 0..DEPTH {
            let node = self.node(at)?;
            // The last key that is not greater: a child holds everything from its own key on.
            let Some(last) = node.keys.partition_point(|&k| k <= key).checked_sub(1) else { return Ok(None) };
            if node.is_leaf {
                return Ok((node.keys[last] == key).then(|| node.values[last]));
            }
            at = node.values[last];
        }
        Err(DiskError::damaged(format!("the tree at block {top} of the pool's metadata"), "it is too deep to be one"))
    }

    fn node(&self, block: u64) -> Result<Arc<Node>, DiskError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = kept.get(&block) {
            return Ok(node.clone());
        }
        let node = Arc::new(self.read(block)?);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(block, node.clone());
        Ok(node)
    }

    fn read(&self, block: u64) -> Result<Node, DiskError> {
        let damaged = |why: &str| DiskError::damaged(format!("block {block} of the pool's metadata"), why);
        let mut raw = [0; NODE];
        let offset = block.checked_mul(NODE as u64).filter(|&offset| offset < self.device.size());
        self.device.read(&mut raw, offset.ok_or_else(|| damaged("it lies beyond the end"))?)?;
        if checksum(&raw, SALT) != raw.u32(0) {
            return Err(damaged("its checksum is wrong"));
        }
        if raw.u64(8) != block {
            return Err(damaged("it says that it is another block"));
        }
        parse(&raw).ok_or_else(|| damaged("it holds more than fits, or keys out of order"))
    }
}

/// Keys stand after the header, as many as there is room for; then values.
fn parse(raw: &[u8; NODE]) -> Option<Node> {
    const LEAF: u32 = 2;
    let (count, most, value_size) = (raw.u32(16) as usize, raw.u32(20) as usize, raw.u32(24) as usize);
    let is_full = most.checked_mul(8 + 8)?.checked_add(HEADER)? > NODE;
    if count > most || value_size != 8 || is_full {
        return None;
    }
    let numbers = |from: usize| -> Vec<u64> { (0..count).map(|at| raw.u64(from + at * 8)).collect() };
    let (keys, values) = (numbers(HEADER), numbers(HEADER + most * 8));
    let in_order = keys.windows(2).all(|pair| pair[0] < pair[1]);
    in_order.then_some(Node { is_leaf: raw.u32(4) & LEAF != 0, keys, values })
}
