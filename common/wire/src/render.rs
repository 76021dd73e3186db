//! Plans as text.

pub mod iptables;
pub mod json;
pub mod nft;
pub mod rows;
