//! Starts a container that is on the data root: makes its spec from its record, starts it, writes that it runs.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use host::Host;
use hostfs::Wait;
use launch::docker::{self, Joined, Surroundings};
use launch::relay::Ends;
use launch::spec::{Changes, Namespace, RootFiles, Spec, Upper, Users};
use launch::{Started, Streams};
use layout::docker_content::write::{ContainerPlace, Writer};
use model::{Container, Finding};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;

use crate::error::{LifeError, at};
use crate::links::Line;
use crate::{files, mounts, network, peers, record, runtime, usernet};

/// A container ready to be started: its spec, and what its record asks for that is not done.
pub struct Ready {
    /// What it is to be.
    pub spec: Spec,
    /// Its inspect JSON.
    pub inspect: Value,
    /// The networks of the root.
    pub networks: Vec<Value>,
    /// Lines that links add to its hosts file.
    pub links: Vec<Line>,
    /// What is not done, one line each.
    pub notes: Vec<String>,
    /// What could not be read.
    pub findings: Vec<Finding>,
}

/// Makes the spec of a container of the root at `root`. Reads only; refuses where the root cannot be written now.
pub fn ready(root: &Path, host: &Host, container: &Container) -> Result<Ready, LifeError> {
    Writer::may_open(root)?;
    let mut findings = Vec::new();
    let (inspect, more) = layout::inspect_container(host.root(), host.stores(), container);
    findings.extend(more);
    usernet::refuse(&inspect)?;
    let (rootfs, more) = host.rootfs(container)?;
    findings.extend(more);
    let mut root_files = root_files(host, container, &rootfs, &mut findings)?;
    root_files.read_only = inspect["HostConfig"]["ReadonlyRootfs"].as_bool().unwrap_or(false);
    if let Changes::Layer(upper) = &mut root_files.changes {
        // One of `--rm` goes at its end.
        upper.lasting = !inspect["HostConfig"]["AutoRemove"].as_bool().unwrap_or(false);
    }
    let folder = root.join("containers").join(container.id.as_str());
    let raw = raw(&folder)?;
    let mut own = mounts::of_record(&raw["MountPoints"], root);
    let peers = peers::of(host, &inspect)?;
    // With another's network come its names.
    let named = peers.names_of.as_ref().unwrap_or(&container.id);
    own.extend(mounts::of_etc(&root.join("containers").join(named.as_str()), &inspect));
    let around = Surroundings {
        id: container.id.as_str().to_string(),
        root: root_files,
        passwd: files::read(host, &rootfs, "etc/passwd")?,
        group: files::read(host, &rootfs, "etc/group")?,
        mounts: own,
        network: peers.network.unwrap_or(Namespace::New),
        joined: peers.joined,
        link_env: peers.links.env,
        user: users(&rootfs),
    };
    let (spec, notes) = docker::spec(&inspect, around)?;
    Ok(Ready { spec, networks: network::of_host(host), links: peers.links.hosts, inspect, notes, findings })
}

/// The user namespace of a root whose owners are shifted; `None` where they are not, or in more than one piece.
pub fn users(rootfs: &model::Rootfs) -> Option<Users> {
    let number = |number: u64| u32::try_from(number).ok();
    let ([uid], [gid]) = (&rootfs.ids.uids[..], &rootfs.ids.gids[..]) else { return None };
    let is_whole = uid.inside == 0 && gid.inside == 0;
    let users = Users { uid: number(uid.outside)?, gid: number(gid.outside)?, count: number(uid.size.min(gid.size))? };
    is_whole.then_some(users)
}

/// The files of a container of the root, to be written.
pub fn root_files(
    host: &Host,
    container: &Container,
    rootfs: &model::Rootfs,
    findings: &mut Vec<Finding>,
) -> Result<RootFiles, LifeError> {
    let place = ContainerPlace::of(host.root(), host.store(container.store), &container.id)?;
    let diff = files::on_this_machine(host, &place.diff);
    Ok(match &place.work {
        None => RootFiles { lower: vec![diff], changes: Changes::InPlace, read_only: false },
        Some(work) => RootFiles {
            lower: files::layers(host, rootfs, findings)?.unwrap_or_default().into_iter().skip(1).collect(),
            changes: Changes::Layer(Upper { diff, work: files::on_this_machine(host, work), lasting: true }),
            read_only: false,
        },
    })
}

/// The process that an inspect JSON names, as one more in a running container.
pub fn process(
    host: &Host,
    rootfs: &model::Rootfs,
    id: &str,
    inspect: &Value,
) -> Result<launch::spec::Process, LifeError> {
    let around = Surroundings {
        id: id.to_string(),
        root: RootFiles { lower: Vec::new(), changes: Changes::Memory, read_only: false },
        passwd: files::read(host, rootfs, "etc/passwd")?,
        group: files::read(host, rootfs, "etc/group")?,
        mounts: Vec::new(),
        network: Namespace::New,
        joined: Joined::default(),
        link_env: Vec::new(),
        user: None,
    };
    Ok(docker::spec(inspect, around)?.0.process)
}

/// The container's own record, as it lies.
pub fn raw(folder: &Path) -> Result<Value, LifeError> {
    let path = folder.join("config.v2.json");
    let bytes = std::fs::read(&path).map_err(at("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|error| at("read", &path)(error.into()))
}

/// The container's own host config, as it lies; null where it cannot be read.
pub fn host_config(root: &Path, id: &model::Id) -> Value {
    let path = root.join("containers").join(id.as_str()).join("hostconfig.json");
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Changes the record of a container under the root's lock, held for this long only.
pub fn update(root: &Path, container: &model::Id, change: impl FnOnce(&mut Value)) -> Result<(), LifeError> {
    let writer = Writer::open_for_records(root, Wait::Yes(&mut |_| ()))?;
    let folder = writer.path(&model::HostPath::from("containers").join(container.as_str()));
    let mut record = raw(&folder)?;
    change(&mut record);
    Ok(writer.write_record(container, &record, false)?)
}

/// Starts it, connects it, and writes that it runs, with what `also` adds; where it cannot, writes why. This process must have one thread.
pub fn start(
    root: &Path,
    id: &model::Id,
    ready: &Ready,
    streams: Streams,
    folder: &runtime::Folder,
    also: impl FnOnce(&mut Value),
) -> Result<Started, LifeError> {
    let mut connected = network::Connected::default();
    let own = root.join("containers").join(id.as_str());
    make_etc(&own, &ready.inspect)?;
    let started = launch::start(&ready.spec, streams, folder.path(), folder.lock(), |pid| {
        folder.remember_process(pid)?;
        connected = connect(&ready.inspect, &ready.networks, id, pid, &own, &ready.links)?;
        Ok(())
    });
    match started {
        Ok(mut started) => {
            started.warnings.append(&mut connected.warnings);
            let written = update(root, id, |own| {
                record::started(own, started.pid, launch::now());
                record::connected(own, &connected);
                also(own);
            });
            match written {
                Ok(()) => Ok(started),
                // Nobody would ever know of it.
                Err(error) => {
                    end_at_once(&started);
                    if !connected.networks.is_empty() {
                        network::disconnect(id)?;
                    }
                    Err(error)
                }
            }
        }
        Err(error) => {
            // It was connected before its program was tried.
            if !connected.networks.is_empty() {
                network::disconnect(id)?;
            }
            update(root, id, |own| record::refused(own, error.status(), &error.to_string()))?;
            Err(error.into())
        }
    }
}

/// Makes the files of a container's `/etc` that are not there yet: dockerd makes them at the first start only.
fn make_etc(own: &Path, inspect: &Value) -> Result<(), LifeError> {
    for (name, text) in files::etc(inspect, None, &[]) {
        let path = own.join(name);
        if !path.exists() {
            std::fs::write(&path, text).map_err(at("write", path))?;
        }
    }
    Ok(())
}

fn end_at_once(started: &Started) {
    use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
    let _ = pidfd_send_signal(&started.handle, Signal::KILL);
    let _ = waitid(WaitId::PidFd(started.handle.as_fd()), WaitIdOptions::EXITED);
    started.cgroup.remove();
}

/// Connects a container that wants it, and writes its address and those of its links in its `/etc`, which lies in `folder`.
pub fn connect(
    inspect: &Value,
    networks: &[Value],
    id: &model::Id,
    pid: i32,
    folder: &Path,
    links: &[Line],
) -> Result<network::Connected, LifeError> {
    userns::shared::stays(pid.unsigned_abs())
        .map_err(|error| LifeError::Machine("leave word of the container", error))?;
    if !network::is_wanted(inspect) {
        return Ok(network::Connected::default());
    }
    let mut connected = network::connect(inspect, networks, id, pid)?;
    if files::answers_names(inspect) {
        connected.warnings.extend(network::answer_names(id, pid));
    }
    for (name, text) in files::etc(inspect, Some(&connected), links) {
        // Written into, not replaced: the container has this very file mounted.
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(at("write", &path))?;
    }
    Ok(connected)
}

/// A container's streams: its ends, the socket its terminal comes through, and our ends.
pub fn streams(terminal: bool, input: bool) -> Result<(Streams, Option<OwnedFd>, Ends), LifeError> {
    if terminal {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.map_err(|errno| LifeError::Machine("make a socket", errno.into()))?;
        return Ok((
            Streams::Terminal { socket: theirs },
            Some(ours),
            Ends::Plain { stdin: None, stdout: None, stderr: None },
        ));
    }
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| LifeError::Machine("make a pipe", errno.into()));
    let (out, stdout) = pipe()?;
    let (err, stderr) = pipe()?;
    let (stdin, own) = if input {
        let (theirs, ours) = pipe()?;
        (theirs, Some(ours))
    } else {
        (OwnedFd::from(File::open("/dev/null").map_err(at("open", "/dev/null"))?), None)
    };
    Ok((
        Streams::Plain { stdin, stdout, stderr },
        None,
        Ends::Plain { stdin: own, stdout: Some(out), stderr: Some(err) },
    ))
}

/// Takes the other end of the container's terminal.
pub fn receive_terminal(socket: &OwnedFd) -> Result<OwnedFd, LifeError> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let fail = |error| LifeError::Machine("take the container's terminal", error);
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0u8; 1];
    recvmsg(socket, &mut [std::io::IoSliceMut::new(&mut word)], &mut control, RecvFlags::CMSG_CLOEXEC)
        .map_err(|errno| fail(errno.into()))?;
    let handles = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(handles) => Some(handles),
        _ => None,
    });
    handles.flatten().next().ok_or_else(|| fail(std::io::ErrorKind::UnexpectedEof.into()))
}
