//! Out of a container: to a tar on stdout, or to a place here.

use std::fs;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, anyhow, bail};
use cli::{Findings, Outcome, Output};
use host::Host;
use lifecycle::{end, events};
use model::{EntryPath, Kind, path::shown};
use storage::Folder;
use tarball::write::Writer;

use crate::args::Args;
use crate::landing::{self, Copied, asserts_directory, base, means_contents, without_end};
use crate::parts::{Part, Parts, under};
use crate::tree::Tree;

/// Copies `path` of the container.
pub fn run(args: &Args, container: &str, path: &[u8]) -> Result<Outcome> {
    let root = args.root.path();
    let host = Host::open(&root)?;
    let (container, mut found) = host.container(container)?;
    // What a container of this machine has mounted lies on this machine.
    let runs = lifecycle::begin::raw(&root.join("containers").join(container.id.as_str())).ok();
    let here = runs.as_ref().and_then(lifecycle::runtime::living).map(|_| std::path::Path::new("/"));
    let tree = Tree::new(host, &container, args.root.host_root().or(here), &mut found)?;
    let last = args.follow_link || asserts_directory(path);
    let not_there = || {
        let typed = format!("/{}", shown(path).trim_start_matches('/'));
        anyhow!("Could not find the file {typed} in container {}", name(&container))
    };
    let (at, kind) = tree.resolve(path, last)?.ok_or_else(not_there)?;
    let is_dir = matches!(kind, Kind::Directory);
    if asserts_directory(path) && !is_dir {
        bail!("'{}' of container {} is not a directory", shown(without_end(path)), name(&container));
    }
    let mut findings = Findings::from(found);
    if args.destination == "-" {
        to_stdout(&tree, &at, means_contents(path), &mut findings)?;
    } else {
        // A link that is followed gives its own name, not that of what it leads to.
        let own = if means_contents(path) || base(path).is_empty() { at.name() } else { base(path) };
        let copied = Copied { name: own, is_dir, contents: means_contents(path) || at.is_root() };
        to_here(args, &tree, &at, &copied, &mut findings)?;
    }
    if let Ok(Some(living)) = end::living(&root, &container.id) {
        events::tell(&root, &living.record, "archive-path", &[]);
    }
    Ok(findings.into())
}

fn name(container: &model::Container) -> String {
    container.names.first().cloned().unwrap_or_else(|| container.id.to_string())
}

/// The part that is copied, and what lies over it further down.
pub fn parts(tree: &Tree, at: &EntryPath, to: &EntryPath) -> Result<Parts> {
    let mut all: Vec<Part> = tree.part(at, to.clone())?.into_iter().collect();
    for below in tree.below(at) {
        let rest = &below.as_bytes()[at.as_bytes().len()..];
        all.extend(tree.part(&below, under(to, rest))?);
    }
    Ok(Parts::new(all))
}

fn to_stdout(tree: &Tree, at: &EntryPath, contents: bool, findings: &mut Findings) -> Result<()> {
    let output = Output::binary(None)?;
    let to = if contents || at.is_root() { EntryPath::root() } else { EntryPath::parse(at.name())? };
    let mut out = BufWriter::with_capacity(256 << 10, output);
    let mut writer = Writer::new(&mut out);
    let poured = storage::pour(&mut parts(tree, at, &to)?, &mut writer, |_| ()).map_err(|error| anyhow!(error))?;
    findings.extend(poured.findings);
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())?.finish()
}

fn to_here(args: &Args, tree: &Tree, at: &EntryPath, copied: &Copied, findings: &mut Findings) -> Result<()> {
    let destination = args.destination.as_bytes();
    let there = fs::metadata(landing::path(destination)).ok().map(|stat| stat.is_dir());
    let above = landing::path(without_end(destination)).parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = above.filter(|dir| !dir.is_dir()) {
        bail!("invalid output path: directory \"{}\" does not exist", shown(dir.as_os_str().as_bytes()));
    }
    let landing = landing::land(copied, destination, there)?;
    let folder = landing::path(&landing.folder);
    let to = if landing.name.is_empty() { EntryPath::root() } else { EntryPath::parse(&landing.name)? };
    let mut source = parts(tree, at, &to)?;
    if !args.archive {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        source.owner = Some((uid.as_raw(), gid.as_raw()));
    }
    let shown = shown(folder.as_os_str().as_bytes()).into_owned();
    let mut sink = Folder::open(folder).with_context(|| format!("cannot open '{shown}'"))?.over();
    let poured = storage::pour(&mut source, &mut sink, |_| ()).map_err(|error| anyhow!(error))?;
    findings.extend(poured.findings);
    Ok(())
}
