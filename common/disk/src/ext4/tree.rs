//! The filesystem as a tree of files. A node is an inode.

use std::io;

use hostfs::{DirEntry, FileKind, Problem, Stat, Tree};
use model::{Extent, Finding, Xattrs};

use super::inode::Inode;
use super::{Ext4, TOP, attributes};
use crate::error::DiskError;

/// The longest target of a symbolic link (linux PATH_MAX).
const LONGEST_TARGET: u64 = 4096;

impl Ext4 {
    fn directory(&self, number: u64) -> Result<Inode, Problem> {
        let inode = self.inode(number)?;
        if inode.kind == FileKind::Directory { Ok(inode) } else { Err(Problem::NotDir) }
    }

    /// Refuses a directory that was reached from another place before: then walks would not end.
    fn reach(&self, number: u64, above: u64, name: &[u8]) -> Result<(), DiskError> {
        let mut state = self.state();
        let (place, of) = state.places.entry(number).or_insert_with(|| (above, name.into()));
        if number == TOP || (*place, &**of) != (above, name) {
            return Err(DiskError::damaged(format!("directory inode {number}"), "it is in two places of the tree"));
        }
        Ok(())
    }

    /// A file's content where it is in the inode itself. Whatever it lacks of the file's size is zeros.
    fn inline(&self, inode: &Inode) -> Result<Option<Vec<u8>>, DiskError> {
        if !inode.is_inline() {
            return Ok(None);
        }
        let mut bytes = inode.map().to_vec();
        bytes.extend(attributes::inline(self, inode)?.unwrap_or_default());
        bytes.truncate(usize::try_from(inode.size).unwrap_or(usize::MAX));
        Ok(Some(bytes))
    }
}

impl Tree for Ext4 {
    fn child(&self, dir: u64, name: &[u8]) -> Result<u64, Problem> {
        let inode = self.directory(dir)?;
        if name == b"." {
            return Ok(dir);
        }
        let names = self.names(dir, &inode)?;
        let at = names.binary_search_by(|(other, _)| (**other).cmp(name)).map_err(|_| Problem::Missing)?;
        let number = names[at].1;
        if self.inode(number)?.kind == FileKind::Directory {
            self.reach(number, dir, name)?;
        }
        Ok(number)
    }

    fn entries(&self, dir: u64) -> Result<Vec<DirEntry>, Problem> {
        let names = self.names(dir, &self.directory(dir)?)?;
        let entry = |name: &[u8], number| {
            let kind = self.inode(number).ok().map(|inode| inode.kind);
            DirEntry {
                name: name.into(),
                is_dir: kind.map(|kind| kind == FileKind::Directory),
                is_char_device: kind.map(|kind| matches!(kind, FileKind::CharDevice(..))),
            }
        };
        Ok(names.iter().map(|(name, number)| entry(name, *number)).collect())
    }

    fn stat(&self, node: u64) -> Result<Stat, Problem> {
        Ok(self.inode(node)?.stat(self.number, node, self.superblock.block))
    }

    fn xattrs(&self, node: u64) -> Result<Xattrs, Problem> {
        Ok(attributes::read(self, &self.inode(node)?)?)
    }

    fn read_link(&self, node: u64) -> Result<Vec<u8>, Problem> {
        let inode = self.inode(node)?;
        if inode.kind != FileKind::Symlink || inode.size > LONGEST_TARGET {
            return Err(DiskError::damaged(format!("inode {node}"), "it is no symbolic link").into());
        }
        if let Some(target) = self.inline(&inode)? {
            return Ok(target);
        }
        let size = inode.size as usize;
        // Short targets stand where the map would be.
        if size < inode.map().len() && !inode.has_extents() {
            return Ok(inode.map()[..size].to_vec());
        }
        let mut target = vec![0; size];
        self.content(&self.runs(node, &inode)?, &mut target, 0)?;
        Ok(target)
    }

    fn extents(&self, node: u64) -> Result<Vec<Extent>, Problem> {
        let inode = self.inode(node)?;
        if let Some(bytes) = self.inline(&inode)? {
            let size = bytes.len() as u64;
            return Ok(if size == 0 { Vec::new() } else { vec![Extent { offset: 0, size }] });
        }
        let size = self.superblock.block;
        let mut out: Vec<Extent> = Vec::new();
        for run in self.runs(node, &inode)?.iter() {
            let offset = run.logical * size;
            if offset >= inode.size {
                break;
            }
            let bytes = (run.count * size).min(inode.size - offset);
            match out.last_mut() {
                Some(last) if last.offset + last.size == offset => last.size += bytes,
                _ => out.push(Extent { offset, size: bytes }),
            }
        }
        Ok(out)
    }

    fn read_at(&self, node: u64, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let inode = self.inode(node)?;
        let left = inode.size.saturating_sub(offset);
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(bytes) = self.inline(&inode)? {
            let there = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
            let (data, zeros) = buffer[..count].split_at_mut(there.len().min(count));
            data.copy_from_slice(&there[..data.len()]);
            zeros.fill(0);
            return Ok(count);
        }
        self.content(&self.runs(node, &inode)?, &mut buffer[..count], offset)?;
        Ok(count)
    }

    fn take_findings(&self) -> Vec<Finding> {
        let mut state = self.state();
        let mut findings = std::mem::take(&mut state.findings);
        let unsaid = std::mem::take(&mut state.unsaid);
        if unsaid > 0 {
            findings.push(Finding::new("filesystem-damaged", format!("{unsaid} more places of it are damaged")));
        }
        findings
    }
}
