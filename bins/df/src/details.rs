//! Each object by itself (docker/cli v28, cli/command/formatter/disk_usage.go, verbose).

use std::io::Write;

use anyhow::Context;
use cli::table::Table;
use cli::{human, json};
use model::Timestamp;
use serde_json::{Value, json};

use crate::summary::cache_size;
use crate::survey::{CacheRoom, ContainerRoom, ImageRoom, Survey, VolumeRoom};

/// Prints four tables.
pub fn print_tables(survey: &Survey) -> anyhow::Result<()> {
    let mut out = cli::stdout();
    let text = format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: {}\n\n{}",
        images(&survey.images),
        containers(&survey.containers),
        volumes(&survey.volumes),
        human::size_four(cache_size(survey)),
        cache(&survey.cache),
    );
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
}

fn images(images: &[ImageRoom]) -> String {
    let header = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
    let mut table = Table::new(header);
    for it in images {
        let (repository, tag) = name(it);
        table.row([
            repository,
            tag,
            it.image.id.short().to_string(),
            human::ago(it.image.created, human::now()),
            human::size(it.size),
            human::size_four(it.shared),
            human::size_four(it.unique()),
            it.containers.to_string(),
        ]);
    }
    table.text()
}

/// The first name of an image, cut before the tag.
fn name(it: &ImageRoom) -> (String, String) {
    let cut = it.image.tags.first().and_then(|name| name.rsplit_once(':'));
    let (repository, tag) = cut.unwrap_or(("<none>", "<none>"));
    (repository.to_string(), tag.to_string())
}

fn containers(containers: &[ContainerRoom]) -> String {
    let mut table = Table::new(["CONTAINER ID", "IMAGE", "LOCAL VOLUMES", "SIZE", "CREATED", "STATE", "NAMES"]);
    for it in containers {
        table.row([
            it.container.id.short().to_string(),
            it.container.image.clone(),
            local_volumes(it).to_string(),
            it.room.map_or_else(|| "N/A".into(), |_| human::size(it.size)),
            human::ago(it.container.created, human::now()),
            it.container.state.status.word().to_string(),
            it.container.names.first().cloned().unwrap_or_default(),
        ]);
    }
    table.text()
}

fn local_volumes(it: &ContainerRoom) -> usize {
    it.container.mounts.iter().filter(|mount| mount.driver == "local").count()
}

fn volumes(volumes: &[VolumeRoom]) -> String {
    let mut table = Table::new(["VOLUME NAME", "LINKS", "SIZE"]);
    for it in volumes {
        let size = it.room.map_or_else(|| "N/A".into(), |room| human::size(room.size));
        table.row([it.volume.name.clone(), it.links.to_string(), size]);
    }
    table.text()
}

fn cache(cache: &[CacheRoom]) -> String {
    let mut table = Table::new(["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"]);
    for CacheRoom { record, shared } in cache {
        table.row([
            record.id.chars().take(12).collect(),
            record.kind.clone(),
            record.size.map_or_else(|| "N/A".into(), human::size),
            human::ago(record.created, human::now()),
            human::ago(record.used, human::now()),
            record.uses.to_string(),
            shared.to_string(),
        ]);
    }
    table.text()
}

/// Prints one document with docker's four lists in bytes.
pub fn print_json(survey: &Survey) -> anyhow::Result<()> {
    let document = json!({
        "Images": survey.images.iter().map(image_value).collect::<Vec<_>>(),
        "Containers": survey.containers.iter().map(container_value).collect::<Vec<_>>(),
        "Volumes": survey.volumes.iter().map(volume_value).collect::<Vec<_>>(),
        "BuildCache": survey.cache.iter().map(cache_value).collect::<Vec<_>>(),
        "LayersSize": survey.layers,
    });
    let mut out = cli::stdout();
    writeln!(out, "{}", json::line(&document)).and_then(|()| out.flush()).context("cannot write to stdout")
}

fn image_value(it: &ImageRoom) -> Value {
    let (repository, tag) = name(it);
    json!({
        "ID": it.image.id.as_str(),
        "Repository": repository,
        "Tag": tag,
        "Created": it.image.created.map(Timestamp::rfc3339),
        "Size": it.size,
        "SharedSize": it.shared,
        "UniqueSize": it.unique(),
        "Containers": it.containers,
    })
}

fn container_value(it: &ContainerRoom) -> Value {
    json!({
        "ID": it.container.id.as_str(),
        "Names": it.container.names,
        "Image": it.container.image,
        "LocalVolumes": local_volumes(it),
        "Created": it.container.created.map(Timestamp::rfc3339),
        "State": it.container.state.status.word(),
        "Size": it.room.map(|_| it.size),
        "ApparentSize": it.room.map(|room| room.size),
        "AllocatedSize": it.room.map(|room| room.allocated),
    })
}

fn volume_value(it: &VolumeRoom) -> Value {
    json!({
        "Name": it.volume.name,
        "Links": it.links,
        "Size": it.room.map(|room| room.size),
        "AllocatedSize": it.room.map(|room| room.allocated),
    })
}

fn cache_value(it: &CacheRoom) -> Value {
    json!({
        "ID": it.record.id,
        "Type": it.record.kind,
        "Description": it.record.description,
        "InUse": false,
        "Shared": it.shared,
        "Size": it.record.size,
        "CreatedAt": it.record.created.map(Timestamp::rfc3339),
        "LastUsedAt": it.record.used.map(Timestamp::rfc3339),
        "UsageCount": it.record.uses,
    })
}
