//! Which container, and what its image is to be; nothing is written yet.

use anyhow::{Context, Result, anyhow, bail};
use archive::change;
use archive::config::Config;
use host::{Host, OnlyRead};
use model::{Container, Finding, Image, Reference, Rootfs};
use serde_json::Value;

use crate::args::Args;

/// Everything that is decided before anything is written.
pub struct Plan {
    /// The host.
    pub host: Host,
    /// The container.
    pub container: Container,
    /// Its record.
    pub record: Value,
    /// Its layers, top first.
    pub rootfs: Rootfs,
    /// The image that it was made from.
    pub image: Image,
    /// The container's own config.
    pub container_config: Config,
    /// The new image's.
    pub config: Config,
    /// The new image's name.
    pub name: Option<Reference>,
    /// What could not be read.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// Resolves what was typed.
    pub fn new(args: &Args) -> Result<Plan> {
        let name = args.name.as_deref().filter(|name| !name.is_empty()).map(reference).transpose()?;
        lifecycle::sweep::all(&cli::note);
        let root = args.root.path();
        let mut host = Host::open(&root)?;
        let mut findings = host.take_findings();
        let (container, more) = host.container(&args.container)?;
        findings.extend(more);
        match host.may_write(container.store) {
            Ok(()) => {}
            Err(why @ OnlyRead::Form(_)) => bail!(
                "container {} {why}: pipe it on with 'export {} | import - NAME'",
                container.id.short(),
                args.container
            ),
            Err(why) => bail!("container {} {why}", container.id.short()),
        }
        let record = lifecycle::begin::raw(&root.join("containers").join(container.id.as_str()))?;
        let container_config: Config =
            serde_json::from_value(record["Config"].clone()).context("cannot read the container's config")?;
        let mut config = container_config.clone();
        change::apply(&mut config, &args.change)?;
        let (rootfs, more) = host.rootfs(&container)?;
        findings.extend(more);
        let id = container.image_id.as_ref().context("the container's record names no image")?;
        let (image, _) = host.image(id.as_str())?;
        Ok(Plan { host, container, record, rootfs, image, container_config, config, name, findings })
    }
}

/// Docker's words around what is wrong with a name.
fn reference(text: &str) -> Result<Reference> {
    let reference = Reference::parse(text)
        .map_err(anyhow::Error::new)
        .with_context(|| anyhow!("Error parsing reference: {text:?} is not a valid repository/tag"))?;
    if reference.digest().is_some() {
        bail!("refusing to create a tag with a digest reference");
    }
    Ok(reference.or_latest())
}
