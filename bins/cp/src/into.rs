//! Into a container: the files go as a tar to a process whose root is the container's, which unpacks them there.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use cli::Outcome;
use host::Host;
use launch::StartError;
use launch::sys::{self, Cloned};
use launch::visit::{World, visit};
use lifecycle::{begin, end, events, mounts, runtime};
use model::{Container, EntryPath, HostPath, Kind, path::shown};
use rustix::fs::{Mode, OFlags};
use storage::unpack::{self, LayerForm, Meaning, Options};
use tarball::compress;
use tarball::write::Writer;

use crate::args::Args;
use crate::landing::{self, Copied, Landing, asserts_directory, base, means_contents};
use crate::parts::{Part, Parts};
use crate::tree::Tree;

/// Copies to `path` of the container.
pub fn run(args: &Args, container: &str, path: &[u8]) -> Result<Outcome> {
    let root = args.root.path();
    lifecycle::sweep::all(&cli::note);
    let host = Host::open(&root)?;
    let (container, _) = host.container(container)?;
    refuse(&host, &container)?;
    layout::docker_content::write::Writer::may_open(&root)?;
    let mut unseen = Vec::new();
    let tree = Tree::new(Host::open(&root)?, &container, Some(Path::new("/")), &mut unseen)?;
    let path = &followed(&tree, path)?[..];
    let there = tree.resolve(path, true)?.map(|(_, kind)| matches!(kind, Kind::Directory));
    // A file is not where a directory is meant.
    let there = there.filter(|is_dir| *is_dir || !asserts_directory(path));
    let owner = args.archive.then(|| user(&host, &container)).transpose()?.flatten();
    let (tar, landing, child) = match args.source.as_bytes() {
        b"-" if there != Some(true) => {
            bail!("destination \"{}\" must be a directory", shown(args.destination.as_bytes()))
        }
        b"-" => (
            File::from(rustix::io::dup(rustix::stdio::stdin())?),
            Landing { folder: path.to_vec(), name: Vec::new() },
            None,
        ),
        source => {
            let local = Local::find(args, source)?;
            let landing = landing::land(&local.copied(), path, there)?;
            let (tar, child) = local.tar(&landing.name, owner)?;
            (tar, landing, Some(child))
        }
    };
    put(&root, &host, &container, Load { landing, tar, owner })?;
    if let Some(child) = child {
        let ended = rustix::process::waitid(
            rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&child)),
            rustix::process::WaitIdOptions::EXITED,
        )?;
        if ended.and_then(|status| status.exit_status()) != Some(0) {
            bail!("not all of '{}' could be read", shown(args.source.as_bytes()));
        }
    }
    let record = begin::raw(&root.join("containers").join(container.id.as_str()))?;
    events::tell(&root, &record, "extract-to-dir", &[]);
    Ok(Outcome::done())
}

/// A file goes to where a link of its name leads, whether something is there or not (docker/cli v28
/// cli/command/container/cp.go copyToContainer).
fn followed(tree: &Tree, path: &[u8]) -> Result<Vec<u8>> {
    if asserts_directory(path) {
        return Ok(path.to_vec());
    }
    match (tree.resolve(path, true)?, tree.resolve(path, false)?) {
        (Some((at, kind)), _) if !matches!(kind, Kind::Directory) => Ok([b"/", at.as_bytes()].concat()),
        (None, Some((_, Kind::Symlink { target }))) if target.starts_with(b"/") => Ok(target.to_vec()),
        (None, Some((link, Kind::Symlink { target }))) => {
            let name = link.as_bytes().iter().rev().take_while(|&&byte| byte != b'/').count();
            let above = &link.as_bytes()[..link.as_bytes().len() - name];
            Ok([b"/", above, &target].concat())
        }
        _ => Ok(path.to_vec()),
    }
}

fn refuse(host: &Host, container: &Container) -> Result<()> {
    host.may_write(container.store).map_err(|why| anyhow!("container {} {why}", container.id.short()))
}

/// The user that a container runs as, where its config names one (moby v20.10.24 daemon/archive_tarcopyoptions_unix.go).
fn user(host: &Host, container: &Container) -> Result<Option<(u32, u32)>> {
    let (inspect, _) = layout::inspect_container(host.root(), host.stores(), container);
    if inspect["Config"]["User"].as_str().is_none_or(str::is_empty) {
        return Ok(None);
    }
    let (rootfs, _) = host.rootfs(container)?;
    let user = begin::process(host, &rootfs, container.id.as_str(), &inspect)?.user;
    Ok(Some((user.uid, user.gid)))
}

/// Something here that is copied.
struct Local {
    folder: PathBuf,
    /// What it is called there.
    name: Vec<u8>,
    /// What it was called when it was typed.
    typed: Vec<u8>,
    is_dir: bool,
    contents: bool,
}

impl Local {
    fn find(args: &Args, typed: &[u8]) -> Result<Local> {
        let path = landing::path(typed);
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let stat = std::fs::symlink_metadata(path).map_err(|error| {
            let why = error.to_string().split(" (os").next().unwrap_or_default().to_lowercase();
            anyhow!("lstat {}: {why}", shown(absolute.as_os_str().as_bytes()))
        })?;
        let follows = args.follow_link || asserts_directory(typed);
        let real = if follows && stat.is_symlink() || means_contents(typed) || base(typed) == b".." {
            path.canonicalize()?
        } else {
            let above = absolute.parent().unwrap_or(Path::new("/")).canonicalize()?;
            absolute.file_name().map_or_else(|| PathBuf::from("/"), |name| above.join(name))
        };
        let is_dir = std::fs::symlink_metadata(&real)?.is_dir();
        let name = real.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
        let typed = if matches!(base(typed), b"." | b".." | b"" | b"/") { name.clone() } else { base(typed).to_vec() };
        let folder = real.parent().unwrap_or(Path::new("/")).to_path_buf();
        let contents = means_contents(args.source.as_bytes()) || name.is_empty();
        Ok(Local { folder, name, typed, is_dir, contents })
    }

    fn copied(&self) -> Copied<'_> {
        Copied { name: &self.typed, is_dir: self.is_dir, contents: self.contents }
    }

    /// A process that writes its tar, with another name for its top: the reading end, and a handle on the process. It reads
    /// before the container is entered, and nothing of the container.
    fn tar(&self, name: &[u8], owner: Option<(u32, u32)>) -> Result<(File, OwnedFd)> {
        let (tar, out) = io::pipe()?;
        match sys::clone(0, None)? {
            Cloned::Child => {
                drop(tar);
                let done = self.write(name, owner, out);
                if let Err(error) = &done {
                    cli::warning(&format!("{error:#}"));
                }
                sys::exit_now(i32::from(!done.unwrap_or(false)))
            }
            Cloned::Parent { handle, .. } => Ok((OwnedFd::from(tar).into(), handle)),
        }
    }

    /// Writes it. Returns whether all could be read.
    fn write(&self, name: &[u8], owner: Option<(u32, u32)>, out: io::PipeWriter) -> Result<bool> {
        let root = hostfs::Root::open(&self.folder)?;
        let from = EntryPath::parse(&self.name)?;
        let tree = storage::open_folder(&root, &HostPath::default(), &from)?.context("it is not there any more")?;
        let mut parts = Parts::new(vec![Part { tree, from, to: EntryPath::parse(name)? }]);
        parts.owner = owner;
        let mut out = BufWriter::with_capacity(256 << 10, out);
        let poured = storage::pour(&mut parts, &mut Writer::new(&mut out), |_| ()).map_err(|error| anyhow!(error))?;
        out.flush()?;
        poured.findings.iter().for_each(|finding| cli::warning(&finding.to_string()));
        Ok(poured.findings.is_empty())
    }
}

/// What is unpacked, and where.
struct Load {
    landing: Landing,
    tar: File,
    /// Whose everything becomes.
    owner: Option<(u32, u32)>,
}

/// Unpacks a tar in the container's directory.
fn put(root: &Path, host: &Host, container: &Container, load: Load) -> Result<()> {
    let name = container.names.first().cloned().unwrap_or_else(|| container.id.to_string());
    let work = || unpack_in(load, &name);
    if let Some(living) = end::living(root, &container.id)? {
        return said(visit(&World::Running(living.pid), work));
    }
    let (rootfs, _) = host.rootfs(container)?;
    // GAP: nothing is copied into a resting container of user namespaces: only a living one has the namespace.
    if begin::users(&rootfs).is_some() {
        bail!("container {name} has a user namespace and does not run: start it, then copy into it");
    }
    let files = begin::root_files(host, container, &rootfs, &mut Vec::new())?;
    let own = root.join("containers").join(container.id.as_str());
    let record = begin::raw(&own)?;
    if begin::host_config(root, &container.id)["ReadonlyRootfs"] == true {
        bail!("container rootfs is marked read-only");
    }
    let mut over = mounts::of_record(&record["MountPoints"], root);
    over.extend(mounts::of_etc(&own, &record));
    over.retain(|mount| !matches!(&mount.source, launch::spec::MountSource::Bind { path } if !path.exists()));
    // Nobody can start it as long as we have its folder.
    let folder = runtime::Folder::make(container.id.as_str())?;
    said(visit(&World::Resting { root: &files, mounts: &over, scratch: folder.path() }, work))
}

/// What went wrong there, in its own words.
fn said(done: Result<(), StartError>) -> Result<()> {
    match done {
        Err(StartError::Setup { step, why }) if step.is_empty() => Err(anyhow!(why)),
        other => Ok(other?),
    }
}

/// In the container: its directory is opened and takes the tar.
fn unpack_in(load: Load, name: &str) -> Result<(), String> {
    let folder = Path::new("/").join(landing::path(&load.landing.folder));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let files = match rustix::fs::open(&folder, flags, Mode::empty()) {
        Ok(files) => files,
        Err(rustix::io::Errno::NOTDIR) => return Err("extraction point is not a directory".into()),
        Err(_) => {
            let path = landing::path(landing::without_end(folder.as_os_str().as_bytes()));
            return Err(format!("Could not find the file {} in container {name}", path.display()));
        }
    };
    let split =
        rustix::fs::memfd_create("split", rustix::fs::MemfdFlags::CLOEXEC).map_err(|errno| errno.to_string())?;
    let place = unpack::Place { files, split: File::from(split) };
    let options = Options { owner: load.owner, ..Options::new(LayerForm::Vfs, Meaning::Rootfs) };
    let (_, tar) = compress::decoder(Box::new(load.tar)).map_err(|error| error.to_string())?;
    let unpacked = unpack::unpack(tar, place, &options, &mut |_| Ok(())).map_err(|error| chain(&error))?;
    match unpacked.lost.0.first() {
        None => Ok(()),
        Some((entry, why)) => Err(format!("'{}' could not be kept as it is: {why}", shown(entry))),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
