//! A new container on a data root in docker's own layout.

mod copy;
mod points;

use std::path::Path;

use host::Host;
use hostfs::Wait;
use launch::spec::{Changes, RootFiles, Upper};
use layout::docker_content::write::{ContainerRecord, Writer};
use model::{Digest, Driver, Finding, Id, Image};
use serde_json::Value;

use crate::error::{LifeError, at};
use crate::{events, files, record};
use points::Points;

/// What is to be made.
pub struct Wanted<'a> {
    /// The image.
    pub image: &'a Image,
    /// Docker's inspect JSON of the container: `Path`, `Args`, `Config`, `HostConfig`.
    pub inspect: &'a Value,
    /// Its id.
    pub id: &'a Id,
    /// Its name; made up where `None`.
    pub name: Option<&'a str>,
}

/// Makes the container. Nothing of it is in the root before all of it is. Returns what could not be read.
pub fn create(root: &Path, host: &Host, wanted: &Wanted, wait: Wait) -> Result<Vec<Finding>, LifeError> {
    let mut writer = Writer::open(root, wait)?;
    let name = wanted.name.map_or_else(|| format!("dockless-{}", &wanted.id.short()[..8]), str::to_string);
    // One that is made up is nobody's: looking at all containers would take as long as all of them are many.
    if let Some(other) = wanted.name.and_then(|name| writer.name_taken(name)) {
        return Err(LifeError::NameTaken { name, id: other.to_string() });
    }
    let mut findings = Vec::new();
    let chain = chain(wanted.image);
    let staged = writer.stage_container(chain)?;
    let driver = writer.driver().clone();
    let root_files = match &driver {
        Driver::Vfs => {
            RootFiles { lower: vec![writer.path(&staged.init(&driver))], changes: Changes::InPlace, read_only: false }
        }
        _ => {
            let (rootfs, more) = host.image_rootfs(wanted.image)?;
            findings.extend(more);
            let lower = files::layers(host, &rootfs, &mut findings)?.unwrap_or_default();
            let upper = Upper {
                diff: writer.path(&staged.init(&driver)),
                work: writer.path(&staged.init_work(&driver).unwrap_or_default()),
                // Docker does not have it synced either.
                lasting: false,
            };
            RootFiles { lower, changes: Changes::Layer(upper), read_only: false }
        }
    };
    launch::init_layer::fill(&root_files)?;
    let own_root = root.canonicalize().map_err(at("open", root))?;
    let points = {
        let mut points = Points::new(&writer, host, wanted, &own_root);
        points.find()?;
        findings.append(&mut points.findings);
        points.found
    };
    let config = record::created(
        &record::New {
            id: wanted.id,
            name: &name,
            inspect: wanted.inspect,
            image: format!("sha256:{}", wanted.image.id),
            driver: driver.name(),
            root: &own_root.to_string_lossy(),
            mount_points: points,
        },
        launch::now(),
    );
    let etc = files::etc(wanted.inspect, None, &[]);
    let host_config = &wanted.inspect["HostConfig"];
    writer.commit_container(staged, wanted.id, &ContainerRecord { config: &config, host_config, files: &etc })?;
    events::tell(&own_root, &config, "create", &[]);
    Ok(findings)
}

/// The topmost chain id of an image.
fn chain(image: &Image) -> Option<Digest> {
    image.layers.first().and_then(|layer| layer.chain_id)
}
