//! Which container: an image's new one, one of the root again, or one that inspect JSON on stdin describes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Parser;
use host::Host;
use model::{Finding, Id, Image, Rootfs};
use serde_json::{Value, json};

use super::{Origin, Subject, described};
use crate::args::Args;
use crate::flags;

/// What was found.
pub struct Found {
    /// Which container.
    pub subject: Subject,
    /// Its inspect JSON.
    pub inspect: Value,
    /// Its files.
    pub rootfs: Rootfs,
    /// Whether nothing of an old container was changed.
    pub as_it_was: bool,
    /// What it is to be called.
    pub name: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// The data root, and the name of the container to be run again. A folder says both: the root is the one above it that
/// has this container.
pub fn root(args: &Args) -> Result<(PathBuf, Option<String>)> {
    let Some(name) = &args.container else { return Ok((args.root.path(), None)) };
    let folder = Path::new(name);
    if !name.contains('/') || !folder.is_dir() {
        return Ok((args.root.path(), Some(name.clone())));
    }
    let folder = folder.canonicalize().with_context(|| format!("cannot find '{name}'"))?;
    // podman keeps a container's records one folder further down.
    let own = if folder.ends_with("userdata") { folder.parent().unwrap_or(&folder) } else { &folder };
    let id = own.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if args.root.is_given() {
        return Ok((args.root.path(), Some(id)));
    }
    let holds = |above: &&Path| Host::open(above).is_ok_and(|host| host.container(&id).is_ok());
    match own.ancestors().skip(1).take(5).find(holds) {
        Some(root) => Ok((root.to_path_buf(), Some(id))),
        None => bail!("'{name}' is the folder of no container: no data root above it has one of that id"),
    }
}

/// A container of the root.
pub fn old(host: &Host, name: &str, args: &Args, findings: &mut Vec<Finding>) -> Result<Found> {
    let (container, more) = host.container(name)?;
    findings.extend(more);
    let (mut inspect, more) = layout::inspect_container(host.root(), host.stores(), &container);
    findings.extend(more);
    let (rootfs, more) = host.rootfs(&container)?;
    findings.extend(more);
    let origin = Origin { recorded: inspect.clone(), plain: inspect.clone(), piped: false };
    let mut as_it_was = !flags::over(args, &mut inspect, container.id.as_str())?;
    if let Some((program, rest)) = args.image_and_command.split_first() {
        inspect["Path"] = json!(program);
        inspect["Args"] = json!(rest);
        as_it_was = false;
    }
    if lifecycle::runtime::living(&inspect).is_some() {
        beside(&mut inspect);
    }
    // The old terminal is gone with whoever sat at it.
    inspect["Config"]["Tty"] = json!(args.process.tty);
    Ok(Found { subject: Subject::Old(Box::new(container)), inspect, rootfs, as_it_was, name: None, origin })
}

/// One that lives has its addresses; what runs beside it gets others.
fn beside(inspect: &mut Value) {
    let networks = inspect["NetworkSettings"]["Networks"].as_object_mut();
    for network in networks.into_iter().flat_map(|map| map.values_mut()) {
        for key in ["IPAddress", "GlobalIPv6Address", "MacAddress", "IPAMConfig"] {
            network[key] = Value::Null;
        }
    }
    for key in ["IPAddress", "GlobalIPv6Address", "MacAddress"] {
        inspect["NetworkSettings"][key] = Value::Null;
    }
    inspect["Config"]["MacAddress"] = Value::Null;
}

/// A new container from an image of the root.
pub fn new(host: &Host, args: &Args, id: &Id, findings: &mut Vec<Finding>) -> Result<Found> {
    let (name, command) = args.image_and_command.split_first().expect("its absence was refused");
    of_image(host, args, name, command, id, findings)
}

fn of_image(
    host: &Host,
    args: &Args,
    name: &str,
    command: &[String],
    id: &Id,
    findings: &mut Vec<Finding>,
) -> Result<Found> {
    let (image, rootfs) = image(host, name, findings)?;
    let (document, more) = layout::inspect_image(host.root(), host.stores(), &image);
    findings.extend(more);
    if let Some(wanted) = args.rest.platform.as_deref().filter(|wanted| !wanted.is_empty()) {
        refuse_platform(wanted, &document)?;
    }
    let config = json!({ "config": document["Config"] });
    let inspect = flags::record(args, &config, name, command, id.as_str())?;
    // Only who asks for the plan asks where it came from.
    let plain = if args.plan.is_some() { untyped(&config, name, command, id)? } else { Value::Null };
    let origin = Origin { recorded: json!({ "Config": document["Config"] }), plain, piped: false };
    Ok(Found {
        subject: Subject::New(Box::new(image)),
        inspect,
        rootfs,
        as_it_was: true,
        name: typed_name(args),
        origin,
    })
}

/// The name that was typed; a slash before it is docker's own.
fn typed_name(args: &Args) -> Option<String> {
    let name = args.life.name.as_deref().map(|name| name.strip_prefix('/').unwrap_or(name));
    name.filter(|name| !name.is_empty()).map(str::to_string)
}

/// Refuses an image of another platform than the one asked for (`os/arch[/variant]`, or one of the first two).
fn refuse_platform(wanted: &str, image: &Value) -> Result<()> {
    let own = |key: &str| image[key].as_str().unwrap_or_default();
    let parts: Vec<String> = wanted.split('/').map(str::to_ascii_lowercase).collect();
    let is_word =
        |part: &String| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if parts.len() > 3 || !parts.iter().all(is_word) {
        bail!("error parsing specified platform: \"{wanted}\": cannot parse platform specifier");
    }
    let (os, architecture) = match &parts[..] {
        [one] if ["linux", "windows", "darwin", "freebsd"].contains(&one.as_str()) => (Some(one.as_str()), None),
        [one] => (None, Some(one.as_str())),
        [os, architecture, ..] => (Some(os.as_str()), Some(architecture.as_str())),
        [] => (None, None),
    };
    let variant = parts.get(2).map(String::as_str).filter(|_| !own("Variant").is_empty());
    let same = |wanted: Option<&str>, own: &str| wanted.is_none_or(|wanted| own.is_empty() || wanted == own);
    let architecture = architecture.map(architecture_of);
    if !same(os, own("Os"))
        || !same(architecture, architecture_of(own("Architecture")))
        || !same(variant, own("Variant"))
    {
        let [os, architecture] = [own("Os"), own("Architecture")];
        bail!("the image is of another platform than the one asked for: wanted {wanted}, actual: {os}/{architecture}");
    }
    Ok(())
}

/// Go's name for a processor, by what others call it (containerd v1.7 platforms/database.go).
fn architecture_of(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "386",
        "armhf" | "armel" => "arm",
        other => other,
    }
}

/// The container that it would be, had nothing been typed. An image without a command has nothing without the one that was.
fn untyped(config: &Value, name: &str, command: &[String], id: &Id) -> Result<Value> {
    let nothing = Args::parse_from(["run", "image"]);
    flags::record(&nothing, config, name, &[], id.as_str())
        .or_else(|_| flags::record(&nothing, config, name, command, id.as_str()))
}

fn image(host: &Host, name: &str, findings: &mut Vec<Finding>) -> Result<(Image, Rootfs)> {
    let (image, more) =
        host.image(name).map_err(|error| anyhow::anyhow!("Unable to find image '{name}' locally: {error}"))?;
    findings.extend(more);
    let (rootfs, more) = host.image_rootfs(&image)?;
    findings.extend(more);
    Ok((image, rootfs))
}

/// A new container as inspect JSON on stdin describes one, with what was typed over it.
pub fn piped(host: &Host, args: &Args, id: &Id, notes: &mut Vec<String>, findings: &mut Vec<Finding>) -> Result<Found> {
    let mut described = described::read()?;
    let command = &args.image_and_command[1..];
    if described["HostConfig"].is_null() && described["RootFS"].is_object() {
        let name = described["Id"].as_str().unwrap_or_default().to_string();
        return of_image(host, args, &name, command, id, findings);
    }
    if !described["Config"].is_object() {
        bail!("stdin describes no container: it has no 'Config'");
    }
    let (image, rootfs) = described_image(host, &described, findings)?;
    let mut inspect = fresh(&mut described, id);
    let origin = Origin { recorded: inspect.clone(), plain: inspect.clone(), piped: true };
    flags::over(args, &mut inspect, id.as_str())?;
    if !command.is_empty() {
        let entrypoint = flags::list(&inspect["Config"]["Entrypoint"]);
        let mut all = entrypoint.into_iter().chain(command.iter().map(|word| json!(word)));
        inspect["Path"] = all.next().unwrap_or_default();
        inspect["Args"] = all.collect();
        inspect["Config"]["Cmd"] = json!(command);
    }
    let name = typed_name(args).or_else(|| free_name(host, &described, notes));
    Ok(Found { subject: Subject::New(Box::new(image)), inspect, rootfs, as_it_was: true, name, origin })
}

/// By its id, else by the name that the container was made with.
fn described_image(host: &Host, described: &Value, findings: &mut Vec<Finding>) -> Result<(Image, Rootfs)> {
    let id = described["Image"].as_str().filter(|id| !id.is_empty());
    let name = described["Config"]["Image"].as_str().filter(|name| !name.is_empty());
    if let Some(found) = id.and_then(|id| image(host, id, findings).ok()) {
        return Ok(found);
    }
    image(host, name.or(id).context("stdin describes a container without an image")?, findings)
}

/// What describes the container, without what belongs to the one that was.
fn fresh(described: &mut Value, id: &Id) -> Value {
    let old = described["Id"].as_str().unwrap_or_default().to_string();
    let mut config = described["Config"].take();
    if config["Hostname"].as_str().is_none_or(|name| name.is_empty() || old.starts_with(name)) {
        config["Hostname"] = json!(id.short());
    }
    let mut host = described["HostConfig"].take();
    if let Some(host) = host.as_object_mut() {
        host.remove("ContainerIDFile");
    }
    let mut networks = described["NetworkSettings"]["Networks"].take();
    for network in networks.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        let kept = ["IPAMConfig", "Links", "Aliases", "DriverOpts", "GwPriority"];
        if let Some(network) = network.as_object_mut() {
            network.retain(|key, _| kept.contains(&key.as_str()));
            // Docker puts the id among the names.
            if let Some(aliases) = network.get_mut("Aliases").and_then(Value::as_array_mut) {
                aliases.retain(|alias| alias.as_str().is_none_or(|alias| alias.is_empty() || !old.starts_with(alias)));
            }
        }
    }
    let mut inspect = json!({
        "Id": id.as_str(), "Path": described["Path"], "Args": described["Args"], "Config": config, "HostConfig": host,
    });
    if networks.as_object().is_some_and(|map| !map.is_empty()) {
        inspect["NetworkSettings"] = json!({ "Networks": networks });
    }
    inspect
}

/// Docker's rule for names (moby v20.10.24 daemon/names/names.go).
pub fn refuse_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_plain) {
        bail!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    }
    Ok(())
}

/// The name it had, where nobody has it here.
fn free_name(host: &Host, described: &Value, notes: &mut Vec<String>) -> Option<String> {
    let name = described["Name"].as_str()?.trim_start_matches('/').to_string();
    let taken = host.containers().0.iter().any(|container| container.names.contains(&name));
    if taken {
        notes.push(format!("the name '{name}' is taken: it gets another one"));
        return None;
    }
    if !name.is_empty() && refuse_name(&name).is_err() {
        notes.push(format!("no container of docker's can be called '{name}': it gets another name"));
        return None;
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dockers() {
        for name in ["ab", "a_.-", "0x"] {
            assert!(refuse_name(name).is_ok(), "{name}");
        }
        for name in ["a", "", "-x", "a/b", "/ab", "a b", "../x", ".x", "ä0"] {
            assert!(refuse_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_image_of_another_platform_is_refused() {
        let image = json!({"Os": "linux", "Architecture": "arm", "Variant": "v7"});
        for wanted in ["linux/arm", "linux", "arm", "linux/arm/v7", "Linux/ARM", "linux/armhf"] {
            assert!(refuse_platform(wanted, &image).is_ok(), "{wanted}");
        }
        for wanted in ["linux/arm64", "windows/arm", "linux/arm/v6", "aarch64", "a/b/c/d", "linux/", "a b"] {
            assert!(refuse_platform(wanted, &image).is_err(), "{wanted}");
        }
    }
}
