//! Enters the user's namespace: the one that his other programs are in, else a new one.
//!
//! newuidmap(1) and newgidmap(1) write the maps, since the ranges are not this process's to give. They must be run from
//! outside, so a helper is forked before this process leaves.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::ranges::{self, Range};
use crate::shared::Shared;
use crate::sys::{self, Forked};
use crate::{ids, place};

/// Who started a program that is now root of his namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Person {
    /// His own id outside.
    pub uid: u32,
    /// His own group outside.
    pub gid: u32,
}

/// What entering came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entered {
    /// Nothing was to be done: this is root.
    NotNeeded,
    /// Root over the user's own id and his ranges.
    Whole,
    /// Root over the user's own id only; why so.
    Alone(String),
}

/// Why a namespace cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// This machine lets only root make one.
    #[error("an ordinary user may make no user namespaces here: sysctl {name} is {value}")]
    Off {
        /// The sysctl that says so.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// It was refused without a known reason.
    #[error("cannot make a user namespace")]
    Make(#[source] io::Error),
    /// The ids could not be mapped.
    #[error("cannot map ids into a user namespace")]
    Map(#[source] io::Error),
    /// The folder where programs of a user find each other.
    #[error("cannot use the folder '{}'", .0.display())]
    Folder(std::path::PathBuf, #[source] io::Error),
}

static PERSON: OnceLock<Person> = OnceLock::new();

/// The ordinary user whose namespace this process entered; `None` where it entered none.
pub fn person() -> Option<Person> {
    PERSON.get().copied()
}

/// Makes an ordinary user root in his namespace; without ranges, over his own id only. Root is left as it is. This process must
/// have one thread.
pub fn enter() -> Result<Entered, EnterError> {
    if rustix::process::geteuid().is_root() {
        return Ok(Entered::NotNeeded);
    }
    let maps = Maps::of_this_user();
    enter_with(&maps)?;
    Ok(match is_alone() {
        true => Entered::Alone(maps.lacks.unwrap_or_else(|| "it was made before there were any".into())),
        false => Entered::Whole,
    })
}

/// The same for the files below `root`: only where they are the user's own and his ranges can be had. Where not, this process
/// stays who it is.
pub fn enter_whole(root: &Path) {
    let own = rustix::process::geteuid();
    let maps = Maps::of_this_user();
    if own.is_root() || maps.lacks.is_some() || owner(root) != Some(own.as_raw()) {
        return;
    }
    let _ = enter_with(&maps);
}

/// The same for files below `root` that are the user's own, with ranges or without, where this machine lets him.
pub fn enter_own(root: &Path) {
    let own = rustix::process::geteuid();
    if !own.is_root() && owner(root) == Some(own.as_raw()) {
        let _ = enter_with(&Maps::of_this_user());
    }
}

/// The owner of a folder, or of the nearest one above it that is there; `None` for what is no folder.
fn owner(path: &Path) -> Option<u32> {
    let path = std::path::absolute(path).ok()?;
    let found = path.ancestors().find_map(|above| fs::metadata(above).ok())?;
    found.is_dir().then(|| found.uid())
}

fn is_alone() -> bool {
    ids::users().iter().map(|line| u64::from(line.count)).sum::<u64>() <= 1
}

fn enter_with(maps: &Maps) -> Result<(), EnterError> {
    if person().is_some() {
        return Ok(());
    }
    let person = Person { uid: maps.uid, gid: maps.gid };
    let folder = |error| EnterError::Folder(place::folder(), error);
    let shared = Shared::open().map_err(folder)?;
    if !shared.join() {
        make(maps)?;
        sys::become_root().map_err(EnterError::Map)?;
    }
    let _ = PERSON.set(person);
    shared.leave_word().map_err(folder)
}

// What may be mapped --------------------------------------------------------------------------------------------------

/// What a user may map.
struct Maps {
    uid: u32,
    gid: u32,
    users: Vec<Range>,
    groups: Vec<Range>,
    /// Why only his own id can be mapped.
    lacks: Option<String>,
}

impl Maps {
    fn of_this_user() -> Maps {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let name = ranges::name_of(uid);
        let of = |file| ranges::of(file, name.as_deref(), uid);
        let (users, groups) = (of(ranges::USERS), of(ranges::GROUPS));
        let who = name.unwrap_or_else(|| uid.to_string());
        let without = |file: &str| Some(format!("{file} gives no ids to '{who}'"));
        let lacks = match (users.is_empty(), groups.is_empty()) {
            (true, _) => without(ranges::USERS),
            (_, true) => without(ranges::GROUPS),
            _ => ["newuidmap", "newgidmap"]
                .iter()
                .find(|program| find(program).is_none())
                .map(|program| format!("{program} is not installed (Debian: uidmap)")),
        };
        Maps { uid, gid, users, groups, lacks }
    }
}

/// A program in PATH, or where it usually lies.
fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = [Path::new("/usr/bin").to_path_buf(), Path::new("/usr/local/bin").to_path_buf()];
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program)).find(|path| path.is_file())
}

// Making it -----------------------------------------------------------------------------------------------------------

fn make(maps: &Maps) -> Result<(), EnterError> {
    if maps.lacks.is_some() {
        sys::leave().map_err(refused)?;
        return map_alone(maps).map_err(EnterError::Map);
    }
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| EnterError::Make(errno.into()));
    let (go, tell_to_go) = pipe()?;
    let (said, say) = pipe()?;
    match sys::fork().map_err(EnterError::Make)? {
        Forked::Child => {
            drop((tell_to_go, said));
            let why = help(maps, go.into()).err().unwrap_or_default();
            let _ = fs::File::from(say).write_all(why.as_bytes());
            sys::exit_now()
        }
        Forked::Parent(helper) => {
            drop((go, say));
            let left = sys::leave().map_err(refused);
            if left.is_ok() {
                let _ = fs::File::from(tell_to_go).write_all(b"g");
            } else {
                drop(tell_to_go);
            }
            let mut why = String::new();
            let heard = fs::File::from(said).read_to_string(&mut why);
            sys::wait(helper);
            left?;
            heard.map_err(EnterError::Map)?;
            if why.is_empty() { Ok(()) } else { Err(EnterError::Map(io::Error::other(why))) }
        }
    }
}

/// Maps the ids of the process that forked this one, once it has left.
fn help(maps: &Maps, mut go: fs::File) -> Result<(), String> {
    let mut word = [0];
    if go.read_exact(&mut word).is_err() {
        return Ok(());
    }
    let target = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string()).unwrap_or_default();
    for (program, own, ranges) in [("newuidmap", maps.uid, &maps.users), ("newgidmap", maps.gid, &maps.groups)] {
        let path = find(program).unwrap_or_else(|| program.into());
        let out = Command::new(&path).arg(&target).args(ranges::words(own, ranges)).output();
        let out = out.map_err(|error| format!("cannot run '{}': {error}", path.display()))?;
        if !out.status.success() {
            return Err(format!("{program}: {}", String::from_utf8_lossy(&out.stderr).trim()));
        }
    }
    Ok(())
}

/// Maps one's own id only, which needs nobody's help; the kernel asks that groups cannot be given up then.
fn map_alone(maps: &Maps) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", maps.uid))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", maps.gid))
}

/// Where a setting of the machine stands that forbids namespaces to ordinary users, and what it then says.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", "0"),
    ("kernel.apparmor_restrict_unprivileged_userns", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
];

/// Names the setting that stands behind a refusal.
fn refused(error: io::Error) -> EnterError {
    let says = |(name, path, off): &(&'static str, &str, &str)| {
        let value = fs::read_to_string(path).ok()?.trim().to_string();
        (value == *off).then_some(EnterError::Off { name, value })
    };
    SETTINGS.iter().find_map(says).unwrap_or(EnterError::Make(error))
}
