//! Layers on their way into the root.
//!
//! A layer whose place is known goes there at once. One that comes before the documents that name it is unpacked aside
//! (overlay2, where its files do not depend on what lies below) or kept as a file (vfs, where they do), and gets its
//! place at the end. A layer that is there already is passed over.

use std::collections::BTreeMap;
use std::io::{self, Read};

use anyhow::{Context, bail};
use archive::v1::chain_id;
use archive::{ArchivedImage, Layer};
use cli::Progress;
use layout::docker_content::write::{StagedLayer, Writer};
use model::{Digest, Driver, EntryPath, HostPath, Rootfs};
use storage::layer_tar::LayerTar;
use storage::unpack::{self, LayerForm, Meaning, Options};
use tarball::{HashingReader, compress};

/// Layers of one archive.
pub struct Layers<'w> {
    writer: &'w mut Writer,
    /// Those that wait for their place, by member.
    waiting: BTreeMap<EntryPath, Waiting>,
    progress: Progress,
}

enum Waiting {
    Unpacked(StagedLayer, Done),
    File(HostPath, Digest),
}

/// What an unpacked layer came to.
#[derive(Clone, Copy)]
struct Done {
    diff_id: Digest,
    size: u64,
}

/// Bytes of the file system that are left alone.
const MARGIN: u64 = 16 << 20;

/// Where an image wants a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    chain: Digest,
    below: Option<Digest>,
}

impl<'w> Layers<'w> {
    /// Layers for the root of `writer`.
    pub fn new(writer: &'w mut Writer, progress: Progress) -> Layers<'w> {
        Layers { writer, waiting: BTreeMap::new(), progress }
    }

    /// Takes a layer as it comes; gives the digest of its tar, `None` for one that is there already and was not read.
    /// `images` are those wanted, where that is known already.
    pub fn take(
        &mut self,
        layer: &Layer,
        content: Box<dyn Read + Send + '_>,
        images: Option<&[ArchivedImage]>,
    ) -> anyhow::Result<Option<Digest>> {
        let about = || format!("cannot load layer '{}'", layer.member);
        self.progress.at(&format!(
            "layer {}",
            layer.stated.or(layer.blob).map_or_else(|| layer.member.to_string(), |digest| digest.short())
        ));
        let place = match images.map(|images| self.next_place(images, &layer.member)) {
            Some(None) => {
                self.progress.add(layer.size);
                return Ok(None);
            }
            place => place.flatten(),
        };
        let counted = Counted { input: content, progress: self.progress.clone() };
        let (_, tar) = compress::decoder(Box::new(counted)).with_context(about)?;
        match place {
            Some(place) if place.below.is_none_or(|below| self.writer.layer_exists(&below)) => {
                self.unpack_at(place, tar)
            }
            _ => self.wait(layer, tar),
        }
        .map(Some)
        .with_context(about)
    }

    /// Gives every layer of an image its place, lowest first.
    pub fn settle(&mut self, image: &ArchivedImage) -> anyhow::Result<()> {
        let mut below = None;
        for layer in &image.layers {
            let chain = chain_id(below, &layer.diff_id);
            let place = Place { chain, below };
            if !self.writer.layer_exists(&chain) {
                self.place(place, &layer.member, layer.diff_id)
                    .with_context(|| format!("cannot load layer {}", layer.diff_id.short()))?;
            }
            below = Some(chain);
        }
        Ok(())
    }

    /// Removes what no image wanted.
    pub fn finish(self) -> anyhow::Result<()> {
        for waiting in self.waiting.into_values() {
            match waiting {
                Waiting::Unpacked(staged, _) => self.writer.discard_layer(staged)?,
                Waiting::File(path, _) => self.writer.target().remove_file(&path)?,
            }
        }
        Ok(())
    }

    /// The first place of a member that has no layer yet.
    fn next_place(&self, images: &[ArchivedImage], member: &EntryPath) -> Option<Place> {
        places(images, member).into_iter().find(|place| !self.writer.layer_exists(&place.chain))
    }

    fn place(&mut self, place: Place, member: &EntryPath, diff_id: Digest) -> anyhow::Result<()> {
        match self.waiting.remove(member) {
            Some(Waiting::Unpacked(mut staged, done)) => {
                self.writer.set_parent_layer(&mut staged, place.below.as_ref())?;
                self.writer.commit_layer(staged, done.diff_id, done.size)?;
            }
            Some(Waiting::File(path, diff_id)) => {
                let file = self.writer.root().open_file(&path)?;
                let (_, tar) = compress::decoder(Box::new(file))?;
                self.unpack_at(place, tar)?;
                // Other places may want it too.
                self.waiting.insert(member.clone(), Waiting::File(path, diff_id));
            }
            None => self.copy(place, diff_id)?,
        }
        Ok(())
    }

    /// Unpacks a layer anew from where the root has the same one already: images of docker before 1.10 hold the layer
    /// without files many times over, and an archive need not bring what the root has.
    fn copy(&mut self, place: Place, diff_id: Digest) -> anyhow::Result<()> {
        let Some(chain) = self.writer.layer_chains().into_iter().find(|chain| self.is_of(chain, &diff_id)) else {
            bail!("it is neither in the archive nor in the data root");
        };
        let layer = self.writer.layer_ref(&chain).context("its record has gone")?;
        let staged = self.writer.stage_layer(place.below.as_ref())?;
        let stack = Rootfs { layers: vec![layer], ..Rootfs::default() };
        let (reader, writer) = io::pipe()?;
        let root = self.writer.root();
        let done = std::thread::scope(|scope| {
            let source = scope.spawn(move || {
                let mut out = writer;
                LayerTar::plan(root, &stack)?.write(&mut out)
            });
            let done = self.unpack(&staged, Box::new(reader));
            source
                .join()
                .expect("putting a layer together does not panic")
                .and(Ok(()))
                .map_err(anyhow::Error::from)
                .and(done)
        })?;
        if done.diff_id != diff_id {
            bail!("the data root's own copy of it is damaged");
        }
        self.writer.commit_layer(staged, done.diff_id, done.size)?;
        Ok(())
    }

    fn is_somewhere(&self, diff_id: &Digest) -> bool {
        self.writer.layer_chains().iter().any(|chain| self.is_of(chain, diff_id))
    }

    fn is_of(&self, chain: &Digest, diff_id: &Digest) -> bool {
        self.writer.layer_exists(chain)
            && self.writer.layer_ref(chain).is_some_and(|layer| layer.diff_id == Some(*diff_id))
    }

    fn unpack(&self, staged: &StagedLayer, tar: Box<dyn Read + Send + '_>) -> anyhow::Result<Done> {
        let form = if *self.writer.driver() == Driver::Vfs { LayerForm::Vfs } else { LayerForm::Overlay2 };
        let place = unpack::Place {
            files: self.writer.open_diff(staged)?,
            split: self.writer.target().create_file(&staged.tar_split(), 0o644)?,
        };
        // Some builders end layers without end blocks; the digest says whether one is whole.
        let options = Options { allow_truncated: true, ..Options::new(form, Meaning::Layer) };
        let unpacked = unpack::unpack(tar, place, &options, &mut |_| Ok(self.writer.need(MARGIN, 64)?))?;
        Ok(Done { diff_id: unpacked.diff_id, size: unpacked.size })
    }

    /// Unpacks aside, or keeps the bytes.
    fn wait(&mut self, layer: &Layer, mut tar: Box<dyn Read + Send + '_>) -> anyhow::Result<Digest> {
        if *self.writer.driver() == Driver::Vfs {
            let (path, mut file) = self.writer.scratch_file()?;
            let mut input = HashingReader::new(tar);
            io::copy(&mut input, &mut file)?;
            let diff_id = input.finish().0;
            self.waiting.insert(layer.member.clone(), Waiting::File(path, diff_id));
            return Ok(diff_id);
        }
        if let Some(diff_id) = layer.stated.or(layer.blob).filter(|diff_id| self.is_somewhere(diff_id)) {
            // It is there, if not where it is wanted: a copy is made from there at the end, should that be so.
            let found = hashed(&mut tar)?;
            if found == diff_id {
                return Ok(found);
            }
        }
        let staged = self.writer.stage_layer(None)?;
        let done = self.unpack(&staged, tar)?;
        self.waiting.insert(layer.member.clone(), Waiting::Unpacked(staged, done));
        Ok(done.diff_id)
    }

    fn unpack_at(&mut self, place: Place, tar: Box<dyn Read + Send + '_>) -> anyhow::Result<Digest> {
        let staged = self.writer.stage_layer(place.below.as_ref())?;
        let done = self.unpack(&staged, tar)?;
        if chain_id(place.below, &done.diff_id) == place.chain {
            self.writer.commit_layer(staged, done.diff_id, done.size)?;
        } else {
            // The reader compares digests and says what is wrong.
            self.writer.discard_layer(staged)?;
        }
        Ok(done.diff_id)
    }
}

/// Where images want a layer.
fn places(images: &[ArchivedImage], member: &EntryPath) -> Vec<Place> {
    let mut places = Vec::new();
    for image in images {
        let mut below = None;
        for layer in &image.layers {
            let chain = chain_id(below, &layer.diff_id);
            let place = Place { chain, below };
            if layer.member == *member && !places.contains(&place) {
                places.push(place);
            }
            below = Some(chain);
        }
    }
    places
}

fn hashed(tar: &mut dyn Read) -> anyhow::Result<Digest> {
    let mut input = HashingReader::new(tar);
    io::copy(&mut input, &mut io::sink())?;
    Ok(input.finish().0)
}

/// Counts for the progress.
struct Counted<R> {
    input: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}
