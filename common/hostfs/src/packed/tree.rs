//! The index of a tar as a tree. Its nodes were checked when it was made.

use std::io;

use model::{Extent, Xattrs};

use super::Packed;
use crate::dir::DirEntry;
use crate::error::Problem;
use crate::stat::Stat;
use crate::tree::Tree;

/// An index into the nodes, as which every number was given out.
fn index(node: u64) -> usize {
    node as usize
}

impl Tree for Packed {
    fn child(&self, dir: u64, name: &[u8]) -> Result<u64, Problem> {
        self.node(index(dir), name).map(|node| node as u64)
    }

    fn entries(&self, dir: u64) -> Result<Vec<DirEntry>, Problem> {
        Ok(Packed::entries(self, index(dir)))
    }

    fn stat(&self, node: u64) -> Result<Stat, Problem> {
        Ok(Packed::stat(self, index(node)))
    }

    fn xattrs(&self, node: u64) -> Result<Xattrs, Problem> {
        Ok(Packed::xattrs(self, index(node)))
    }

    fn read_link(&self, node: u64) -> Result<Vec<u8>, Problem> {
        Packed::read_link(self, index(node))
    }

    fn extents(&self, node: u64) -> Result<Vec<Extent>, Problem> {
        Ok(Packed::extents(self, index(node)))
    }

    fn read_at(&self, node: u64, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Packed::read_at(self, index(node), buffer, offset)
    }
}
