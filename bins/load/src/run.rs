//! The work.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use archive::catalogue::Catalogue;
use archive::read::survey;
use archive::sniff::{self, HEAD_SIZE, sniff};
use archive::{ArchivedImage, Reader};
use cli::{Outcome, WithHint};
use hostfs::Root;
use layout::docker_content::write::{EditError, Writer};
use model::{Digest, Reference};
use tarball::HashingReader;
use tarball::compress::{self, Compression};

use crate::args::Args;
use crate::choice::{choose, shown};
use crate::layers::Layers;
use crate::members::{Directory, Members};

/// An opened archive.
struct Input {
    members: Members,
    /// What its documents say, where they could be read first.
    catalogue: Option<Catalogue>,
    /// Bytes to be read, where known.
    size: Option<u64>,
}

/// Loads, or lists.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let input = open(args)?;
    if args.list { list(args, input) } else { load(args, input) }
}

fn open(args: &Args) -> anyhow::Result<Input> {
    match args.input.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) if path.is_dir() => {
            let root = Root::open(path)?;
            Ok(Input { members: Members::Directory(Box::new(Directory::open(root)?)), catalogue: None, size: None })
        }
        Some(path) => file(File::open(path).with_context(|| format!("cannot open '{}'", path.display()))?, args),
        // docker's own sentence (cli/command/image/load.go).
        None if io::stdin().is_terminal() => bail!("requested load from stdin, but stdin is empty"),
        None => file(cli::stdin()?, args),
    }
}

fn file(mut file: File, args: &Args) -> anyhow::Result<Input> {
    let stat = file.metadata()?;
    let mut first = [0; compress::MAGIC];
    let is_plain = stat.is_file() && {
        use std::os::unix::fs::FileExt;
        let read = file.read_at(&mut first, 0)?;
        compress::detect(&first[..read]) == Compression::None
    };
    let catalogue = if is_plain { survey(&mut file, args.platform.clone()).ok().flatten() } else { None };
    let (compression, mut tar) = compress::decoder(Box::new(file)).context("cannot read the archive")?;
    let mut head = Vec::with_capacity(HEAD_SIZE);
    tar.by_ref().take(HEAD_SIZE as u64).read_to_end(&mut head).context("cannot read the archive")?;
    refuse(&head)?;
    let size = (compression == Compression::None && stat.is_file()).then_some(stat.len());
    Ok(Input { members: Members::tar(Box::new(io::Cursor::new(head).chain(tar))), catalogue, size })
}

/// Refuses what is no archive of images, by its first headers.
fn refuse(head: &[u8]) -> anyhow::Result<()> {
    match sniff(head) {
        sniff::Kind::Rootfs => Err(anyhow::anyhow!("this is a root filesystem, not an archive of images"))
            .hint("make an image of it with import"),
        sniff::Kind::Empty => bail!("the archive has no members"),
        sniff::Kind::NotTar if head.is_empty() => bail!("the archive is empty: not one byte came"),
        sniff::Kind::NotTar => bail!("this is no tar"),
        sniff::Kind::DockerArchive | sniff::Kind::OciLayout | sniff::Kind::Unclear => Ok(()),
    }
}

fn list(args: &Args, input: Input) -> anyhow::Result<Outcome> {
    let images = match input.catalogue.map(|catalogue| catalogue.images()) {
        Some(Ok(images)) => images,
        _ => {
            let mut reader = Reader::new(input.members, args.platform.clone());
            while let Some(layer) = reader.next_layer()? {
                let diff_id = digest_of(reader.content()?)?;
                reader.came_to(&layer, diff_id)?;
            }
            reader.finish()?.0
        }
    };
    let mut out = cli::stdout();
    for image in choose(images, &args.names)? {
        for name in shown(&image) {
            writeln!(out, "{name}")?;
        }
    }
    out.flush()?;
    Ok(Outcome::done())
}

/// The digest of a layer's tar, however it is compressed.
fn digest_of(content: Box<dyn Read + Send + '_>) -> anyhow::Result<Digest> {
    let (_, tar) = compress::decoder(content)?;
    let mut tar = HashingReader::new(tar);
    io::copy(&mut tar, &mut io::sink())?;
    Ok(tar.finish().0)
}

fn load(args: &Args, input: Input) -> anyhow::Result<Outcome> {
    let mut writer = host::make_for_writing(&args.root.path(), args.no_wait, cli::note).map_err(hinted)?;
    if args.sync {
        writer.wait_for_disk();
    }
    let progress = args.progress.start("Loading", input.size, args.quiet);
    if let Some(images) = input.catalogue.as_ref().and_then(|catalogue| catalogue.images().ok()) {
        let images = choose(images, &args.names)?;
        if images.iter().any(|image| !is_there(&writer, image)) {
            writer.need(input.size.unwrap_or(0), 0).map_err(hinted)?;
        }
    }
    let images = {
        let mut layers = Layers::new(&mut writer, progress.clone());
        let images = read(args, input, &mut layers)?;
        for image in &images {
            layers.settle(image)?;
        }
        layers.finish()?;
        images
    };
    progress.finish();
    publish(&mut writer, &images)
}

/// Reads the whole archive; the images that are wanted, those below others first.
fn read(args: &Args, input: Input, layers: &mut Layers) -> anyhow::Result<Vec<ArchivedImage>> {
    let mut reader = match input.catalogue {
        Some(catalogue) => Reader::with_catalogue(input.members, catalogue),
        None => Reader::new(input.members, args.platform.clone()),
    };
    let mut known: Option<Vec<ArchivedImage>> = None;
    while let Some(layer) = reader.next_layer()? {
        if known.is_none() && layer.stated.is_some() {
            known = reader.images_so_far().map(|images| choose(images, &args.names)).transpose()?;
        }
        let came_to = layers.take(&layer, reader.content()?, known.as_deref())?;
        if let Some(diff_id) = came_to {
            reader.came_to(&layer, diff_id)?;
        }
    }
    let (images, members) = reader.finish()?;
    members.drain()?;
    let mut images = choose(images, &args.names)?;
    // A v1 image comes after the one that it was made on.
    images.sort_by_key(|image| if image.parent.is_some() { image.layers.len() } else { 0 });
    Ok(images)
}

fn is_there(writer: &Writer, image: &ArchivedImage) -> bool {
    let mut below: Option<Digest> = None;
    image.layers.iter().all(|layer| {
        let chain = archive::v1::chain_id(below, &layer.diff_id);
        below = Some(chain);
        writer.layer_exists(&chain)
    })
}

/// Makes the images part of the root, then names them, in docker's words.
fn publish(writer: &mut Writer, images: &[ArchivedImage]) -> anyhow::Result<Outcome> {
    for image in images {
        writer.put_image(&image.config).map_err(hinted)?;
    }
    for image in images {
        if let Some(parent) = image.parent.filter(|parent| writer.image_exists(parent)) {
            writer.set_parent(&image.id, &parent).map_err(hinted)?;
        }
    }
    let mut out = cli::stdout();
    let mut findings = cli::Findings::new();
    for image in images {
        for name in &image.names {
            match Reference::parse(name) {
                Ok(reference) => tag(writer, &reference.or_latest(), image, &mut out)?,
                Err(why) => findings.add(
                    model::Finding::new("name-invalid", format!("the archive names it '{name}': {why}"))
                        .about(format!("image {}", image.id.short())),
                ),
            }
        }
        let is_below = images.iter().any(|other| other.parent == Some(image.id));
        if image.names.is_empty() && !is_below {
            writeln!(out, "Loaded image ID: {}", image.id)?;
        }
    }
    out.flush()?;
    Ok(Outcome::from(findings))
}

fn tag(writer: &mut Writer, reference: &Reference, image: &ArchivedImage, out: &mut impl Write) -> anyhow::Result<()> {
    if let Some(before) = writer.tag(reference, &image.id).map_err(hinted)? {
        writeln!(out, "The image {reference} already exists, renaming the old one with ID {before} to empty string")?;
    }
    writeln!(out, "Loaded image: {reference}")?;
    Ok(())
}

fn hinted(error: EditError) -> anyhow::Error {
    let hint = error.hint();
    cli::with_hint(error, hint)
}
