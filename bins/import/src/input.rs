//! What is imported: a tar from a file, a pipe or a server, or a directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, bail};
use archive::sniff::{HEAD_SIZE, Kind, sniff};
use cli::WithHint;
use hostfs::Root;
use tarball::compress::{self, Compression};

use crate::fetch;

/// An opened input.
pub enum Input {
    /// A tar, unpacked by now.
    Tar(Tar),
    /// A directory of this host.
    Directory(Root),
}

/// A tar on its way in.
pub struct Tar {
    /// Its bytes, not compressed.
    pub stream: Box<dyn Read + Send>,
    /// How many, where that is known.
    pub size: Option<u64>,
}

/// Opens what `source` names.
pub fn open(source: &OsStr) -> anyhow::Result<Input> {
    let text = source.to_string_lossy();
    if source == "-" {
        if io::stdin().is_terminal() {
            bail!("cowardly refusing to read an archive from a terminal");
        }
        return tar(cli::stdin()?);
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        let body = fetch::get(&text)?;
        return plain(body.stream, body.size);
    }
    let path = Path::new(source);
    if path.is_dir() {
        return Ok(Input::Directory(Root::open(path)?));
    }
    tar(File::open(path).with_context(|| format!("cannot open '{}'", model::path::shown(source.as_encoded_bytes())))?)
}

fn tar(file: File) -> anyhow::Result<Input> {
    let stat = file.metadata()?;
    let size = stat.is_file().then_some(stat.len());
    plain(Box::new(file), size)
}

fn plain(stream: Box<dyn Read + Send>, size: Option<u64>) -> anyhow::Result<Input> {
    let (compression, mut tar) = compress::decoder(stream).context("cannot read the archive")?;
    let mut head = Vec::with_capacity(HEAD_SIZE);
    // What cannot be read here is an error again further on, where it is told how far the archive went.
    let _ = tar.by_ref().take(HEAD_SIZE as u64).read_to_end(&mut head);
    refuse(&head)?;
    let size = size.filter(|_| compression == Compression::None);
    Ok(Input::Tar(Tar { stream: Box::new(io::Cursor::new(head).chain(tar)), size }))
}

/// Refuses an archive of images, told by its first headers.
fn refuse(head: &[u8]) -> anyhow::Result<()> {
    match sniff(head) {
        Kind::DockerArchive => {
            Err(anyhow::anyhow!("this is an archive of images{}, not a root filesystem", names(head)))
                .hint("load it with load")
        }
        Kind::OciLayout => {
            Err(anyhow::anyhow!("this is an OCI layout of images, not a root filesystem")).hint("load it with load")
        }
        _ => Ok(()),
    }
}

/// The names of the images, where the beginning of the archive tells them.
fn names(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let Some(list) = text.split("\"RepoTags\":[").nth(1).and_then(|rest| rest.split(']').next()) else {
        return String::new();
    };
    let names: Vec<&str> = list.split('"').filter(|part| part.contains(':')).take(3).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", model::path::shown(names.join(", ").as_bytes())) }
}
