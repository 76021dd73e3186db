//! Which images are meant, and what their archive will hold.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use archive::config::RootFs;
use archive::gojson::Object;
use archive::manifest::Config;
use archive::{Format, PlannedImage, v1};
use host::Host;
use model::{Digest, Finding, Generation, Id, Image, Reference, Rootfs};

use crate::args::{Args, Form};
use crate::layers::Source;

/// What will be written.
pub struct Plan<'h> {
    /// The images, in the order in which they were named.
    pub images: Vec<PlannedImage>,
    /// Where each layer of each image comes from, lowest first.
    pub sources: Vec<Vec<Source<'h>>>,
    /// The form.
    pub format: Format,
    /// What is not as recorded.
    pub findings: Vec<Finding>,
}

/// An image with the names that go along.
struct Chosen {
    image: Image,
    names: Vec<Reference>,
}

impl<'h> Plan<'h> {
    /// Resolves the names and decides how each layer is had.
    pub fn new(args: &Args, host: &'h Host) -> anyhow::Result<Plan<'h>> {
        let (all, _) = host.images();
        let format = if args.format == Form::DockerArchive { Format::Docker } else { Format::Oci };
        let mut plan = Plan { images: Vec::new(), sources: Vec::new(), format, findings: Vec::new() };
        for chosen in choose(args, &all)? {
            plan.add(args, host, &all, chosen)?;
        }
        Ok(plan)
    }

    fn add(&mut self, args: &Args, host: &'h Host, all: &[Image], chosen: Chosen) -> anyhow::Result<()> {
        let Chosen { image, names } = chosen;
        let about = || format!("cannot save image {}", image.id.short());
        let (rootfs, findings) = host.image_rootfs(&image).with_context(about)?;
        self.findings.extend(findings);
        let sources = sources(host, &rootfs, args.rebuild, self.format).with_context(about)?;
        let diff_ids: Vec<Digest> = sources.iter().map(|source| source.layer.diff_id).collect();
        let (config, exact) = config(host, all, &image, &diff_ids).with_context(about)?;
        self.findings.extend(sources.iter().flat_map(|source| source.findings.clone()));
        // Podman names images in full in its own archives too (containers/image docker/archive/dest.go, v5.36).
        let is_podmans = host.store(image.store).generation == Generation::ContainersStorage;
        let name = if is_podmans { Reference::full } else { Reference::familiar };
        let same_blobs = exact && sources.iter().all(|source| source.is_raw());
        self.images.push(PlannedImage {
            config,
            names: names.iter().map(name).collect(),
            full_names: names.iter().map(Reference::full).collect(),
            layers: sources.iter().map(|source| source.layer.clone()).collect(),
            manifest: image.manifest.filter(|_| same_blobs).map(Vec::from),
        });
        self.sources.push(sources);
        Ok(())
    }
}

fn sources<'h>(host: &'h Host, rootfs: &Rootfs, rebuild: bool, format: Format) -> anyhow::Result<Vec<Source<'h>>> {
    let layers = (0..rootfs.layers.len()).rev();
    layers
        .map(|at| {
            let stack = Rootfs { layers: rootfs.layers[at..].to_vec(), own: 0, ..rootfs.clone() };
            Source::new(host.root(), stack, rebuild, format == Format::Oci)
        })
        .collect()
}

/// docker's rules for names (moby v20.10.24 `image/tarexport/save.go`, `parseNames`): one image is saved once, with all
/// the names by which it was asked for; a bare repository means all its tags.
fn choose(args: &Args, all: &[Image]) -> anyhow::Result<Vec<Chosen>> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for name in &args.images {
        for (at, reference) in matching(name, all)? {
            let image = &all[at];
            let names = match reference {
                Some(reference) => vec![reference],
                None if args.keep_tags => image.tags.iter().filter_map(|tag| Reference::parse(tag).ok()).collect(),
                None => Vec::new(),
            };
            let place = chosen.iter().position(|c| c.image.id == image.id && c.image.store == image.store);
            let place = place.unwrap_or_else(|| {
                chosen.push(Chosen { image: image.clone(), names: Vec::new() });
                chosen.len() - 1
            });
            let known = &mut chosen[place].names;
            known.extend(names.into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>());
        }
    }
    Ok(chosen)
}

/// The images that one argument means, each with the name under which it was meant; none for an id.
fn matching(name: &str, all: &[Image]) -> anyhow::Result<Vec<(usize, Option<Reference>)>> {
    let reference = Reference::parse(name).ok();
    if let Some(repository) = reference.as_ref().filter(|r| r.tag().is_none() && r.digest().is_none()) {
        let tags = all.iter().enumerate().flat_map(|(at, image)| image.tags.iter().map(move |tag| (at, tag)));
        let named = tags.filter_map(|(at, tag)| Some((at, Some(Reference::parse(tag).ok()?))));
        let mut found: Vec<(usize, Option<Reference>)> = named
            .filter(|(_, tag)| tag.as_ref().is_some_and(|tag| tag.full_repository() == repository.full_repository()))
            .collect();
        if !found.is_empty() {
            found.sort_by(|a, b| a.1.cmp(&b.1));
            return Ok(found);
        }
    }
    let at = host::lookup::image(all, name)?;
    let named = reference
        .filter(|reference| all[at].tags.iter().any(|tag| Reference::parse(tag).is_ok_and(|tag| tag == *reference)));
    Ok(vec![(at, named)])
}

/// The config to write, and whether it is the recorded one. Images of docker 1.9 and before get one as docker 1.10 makes
/// it when it loads them.
fn config(host: &Host, all: &[Image], image: &Image, diff_ids: &[Digest]) -> anyhow::Result<(Vec<u8>, bool)> {
    if matches!(host.store(image.store).generation, Generation::DockerFirst | Generation::DockerGraph) {
        return Ok((converted(all, image, diff_ids)?, false));
    }
    if image.config.is_empty() {
        bail!("its config cannot be read");
    }
    let text = std::str::from_utf8(&image.config).context("its config is not UTF-8")?;
    let parsed: Config = serde_json::from_str(text).context("its config does not read as one")?;
    let stated = parsed.rootfs.unwrap_or_default().diff_ids.unwrap_or_default().0;
    if stated.len() != diff_ids.len() {
        bail!("its config names {} layers, but the store has {}", stated.len(), diff_ids.len());
    }
    if stated.iter().zip(diff_ids).all(|(stated, diff_id)| *stated == diff_id.to_string()) {
        return Ok((image.config.to_vec(), true));
    }
    let mut object = Object::parse(text).context("its config does not read as one")?;
    object.set("rootfs", &RootFs::new(diff_ids.iter()));
    Ok((object.to_vec(), false))
}

fn converted(all: &[Image], image: &Image, diff_ids: &[Digest]) -> anyhow::Result<Vec<u8>> {
    let by_id: BTreeMap<&Id, &Image> =
        all.iter().filter(|other| other.store == image.store).map(|other| (&other.id, other)).collect();
    let jsons = image.layers.iter().rev().map(|layer| {
        let json = Id::new(&layer.id).and_then(|id| by_id.get(&id).copied()).map(|image| &image.config);
        json.filter(|json| !json.is_empty()).with_context(|| format!("the record of layer {} cannot be read", layer.id))
    });
    let jsons: Vec<_> = jsons.collect::<anyhow::Result<_>>()?;
    let images = v1::convert(&jsons, diff_ids).context("its record does not read as one")?;
    images.into_iter().next_back().map(|image| image.config).context("it has no layer")
}
