//! How a layer's bytes are had.

use std::io::{self, Read, Write};

use anyhow::{Context, bail};
use archive::PlannedLayer;
use archive::write::LAYER_TAR;
use cli::WithHint;
use hostfs::Root;
use model::{Digest, Finding, HostPath, Rootfs};
use storage::layer_tar::{Exactness, LayerTar};
use tarball::HashingReader;
use tarball::compress::{self, Compression};

/// A layer on its way into the archive.
pub struct Source<'h> {
    root: &'h Root,
    /// The layer, and those below it.
    stack: Rootfs,
    /// How it is made, where its size was asked for already.
    planned: Option<LayerTar<'h>>,
    /// What the archive will say of it.
    pub layer: PlannedLayer,
    /// The blob that is copied as it lies.
    raw: Option<HostPath>,
    /// Whether its digest differs from the recorded one, and that was said.
    rebuilt: bool,
    /// What is not as recorded.
    pub findings: Vec<Finding>,
}

impl<'h> Source<'h> {
    /// Decides how the first layer of `stack` is had. With `look` it is looked through first; without, only layers that
    /// the store keeps no exact form of are, since their digest has to be known. `sized`: its size is wanted now.
    pub fn new(root: &'h Root, stack: Rootfs, look: bool, sized: bool) -> anyhow::Result<Source<'h>> {
        if let Some(source) = Source::blob(root, &stack)? {
            return Ok(source);
        }
        let top = stack.layers.first().context("a layer without files")?;
        let kept = top.tar_split.as_ref().is_some_and(|split| root.stat(split).is_ok_and(|stat| stat.size > 0));
        let recorded = top.diff_id.filter(|_| (kept || top.blob.is_some()) && !look);
        let Some(diff_id) = recorded else { return Source::looked_through(root, stack) };
        let planned = if sized { Some(LayerTar::plan(root, &stack)?) } else { None };
        let size = planned.as_ref().map(LayerTar::size);
        let layer = PlannedLayer { diff_id, blob: diff_id, size, media_type: LAYER_TAR };
        Ok(Source { root, stack, planned, layer, raw: None, rebuilt: false, findings: Vec::new() })
    }

    /// A blob of a content store goes as it lies, if every reader can unpack it: plain or gzip. Its digest is proven.
    fn blob(root: &'h Root, stack: &Rootfs) -> anyhow::Result<Option<Source<'h>>> {
        let Some(top) = stack.layers.first() else { return Ok(None) };
        let (Some(path), Some(diff_id)) = (&top.blob, top.diff_id) else { return Ok(None) };
        let Ok(blob) = String::from_utf8_lossy(path.name()).parse::<Digest>() else { return Ok(None) };
        let Ok(file) = root.open_file(path) else { return Ok(None) };
        let mut first = [0; compress::MAGIC];
        let read = file.read_at(&mut first, 0)?;
        let media_type = match compress::detect(&first[..read]) {
            Compression::None => LAYER_TAR,
            Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            _ => return Ok(None),
        };
        let layer = PlannedLayer { diff_id, blob, size: Some(file.stat().size), media_type };
        Ok(Some(Source {
            root,
            stack: stack.clone(),
            planned: None,
            layer,
            raw: Some(path.clone()),
            rebuilt: false,
            findings: Vec::new(),
        }))
    }

    /// Hashes what would be written, so that the archive can say it first.
    fn looked_through(root: &'h Root, stack: Rootfs) -> anyhow::Result<Source<'h>> {
        let written = LayerTar::plan(root, &stack)?.write(&mut io::sink())?;
        let recorded = stack.layers.first().and_then(|layer| layer.diff_id);
        let rebuilt =
            written.exactness == Exactness::Rebuilt || recorded.is_some_and(|recorded| recorded != written.digest);
        let mut findings = written.findings;
        if rebuilt && findings.is_empty() {
            let id =
                stack.layers.first().map(|layer| layer.id.chars().take(12).collect::<String>()).unwrap_or_default();
            let detail = format!("the store keeps no tar of it: written anew, as {}", written.digest.short());
            findings.push(Finding::new("layer-rebuilt", detail).about(format!("layer {id}")));
        }
        let layer = PlannedLayer {
            diff_id: written.digest,
            blob: written.digest,
            size: Some(written.size),
            media_type: LAYER_TAR,
        };
        Ok(Source { root, stack, planned: None, layer, raw: None, rebuilt, findings })
    }

    /// Whether it is copied as a registry has it.
    pub fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// How many bytes will come.
    pub fn size(&mut self) -> anyhow::Result<u64> {
        match self.layer.size {
            Some(size) => Ok(size),
            None => {
                let tar = self.exact()?;
                let size = tar.size();
                self.planned = Some(tar);
                Ok(size)
            }
        }
    }

    /// Its tar, which must come as recorded: the archive has said so.
    fn exact(&mut self) -> anyhow::Result<LayerTar<'h>> {
        let tar = match self.planned.take() {
            Some(tar) => tar,
            None => LayerTar::plan(self.root, &self.stack)?,
        };
        if tar.exactness() == Exactness::Rebuilt && !self.rebuilt {
            return Err(anyhow::anyhow!("layer {} cannot be put together exactly", self.layer.diff_id.short()))
                .hint("save --rebuild writes such layers anew; the image gets another id then");
        }
        Ok(tar)
    }

    /// Writes it, and proves its digest.
    pub fn write(&mut self, out: &mut dyn Write) -> anyhow::Result<Vec<Finding>> {
        let (digest, findings) = match &self.raw {
            Some(path) => (self.copy(path, out)?, Vec::new()),
            None => {
                let written = self.exact()?.write(out)?;
                (written.digest, written.findings)
            }
        };
        if digest == self.layer.blob {
            // Findings of a rebuilt layer were said when it was looked through.
            return Ok(if self.rebuilt { Vec::new() } else { findings });
        }
        let why = findings.first().map(|finding| format!(": {finding}")).unwrap_or_default();
        Err(anyhow::anyhow!("layer {} came out as {}{why}", self.layer.blob.short(), digest.short()))
            .hint("the data root is damaged there; save --rebuild writes such layers anew, and the image gets another id then")
    }

    fn copy(&self, path: &HostPath, out: &mut dyn Write) -> anyhow::Result<Digest> {
        let size = self.layer.size.unwrap_or_default();
        let mut input = HashingReader::new(self.root.open_file(path)?.take(size));
        let copied = io::copy(&mut input, out)?;
        if copied != size {
            bail!("'{path}' ended after {copied} of {size} bytes");
        }
        Ok(input.finish().0)
    }
}
