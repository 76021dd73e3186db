//! The two meta pages: where a state of the database begins, and in which byte order it is written.

/// Magic of a meta page (bbolt internal/common/types.go `Magic`).
const MAGIC: u32 = 0xED0C_DAED;
/// Bytes of a page's header, and of each element's (internal/common/page.go).
pub(super) const HEADER: usize = 16;

/// One of the two descriptions of a state of the database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub order: Order,
    pub page_size: usize,
    /// The page of the bucket that holds all others.
    pub root: u64,
    pub transaction: u64,
}

/// bbolt writes in the byte order of the machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u16::from_le_bytes(*raw),
            Order::Big => u16::from_be_bytes(*raw),
        })
    }

    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u32::from_le_bytes(*raw),
            Order::Big => u32::from_be_bytes(*raw),
        })
    }

    pub fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u64::from_le_bytes(*raw),
            Order::Big => u64::from_be_bytes(*raw),
        })
    }
}

impl Meta {
    /// The metas with a right checksum: the first stands at the start, the second one page further.
    pub fn find(bytes: &[u8]) -> Vec<Meta> {
        let first = Meta::parse(bytes);
        let sizes: Vec<usize> = match first {
            Some(meta) => vec![meta.page_size],
            None => (9..=16).map(|power| 1 << power).collect(),
        };
        let second =
            sizes.into_iter().find_map(|size| Meta::parse(bytes.get(size..)?).filter(|meta| meta.page_size == size));
        first.into_iter().chain(second).collect()
    }

    pub fn parse(page: &[u8]) -> Option<Meta> {
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
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
