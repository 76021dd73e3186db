//! Who the first process is: the host's name, limits, capabilities, user, filter. In an order that leaves no gap.

use rustix::{fs, system};

use super::{Refusal, Step};
use crate::seccomp;
use crate::spec::{Namespace, Process, Rlimit, Seccomp, Spec, User};
use crate::sys;

/// Sets the host and domain name, where the container has its own.
pub fn name_host(spec: &Spec) -> Result<(), Refusal> {
    if spec.namespaces.uts != Namespace::New {
        return Ok(());
    }
    system::sethostname(spec.hostname.as_bytes()).step("cannot set the host name")?;
    if !spec.domainname.is_empty() {
        system::setdomainname(spec.domainname.as_bytes()).step("cannot set the domain name")?;
    }
    Ok(())
}

/// Gives the user the pipes or the terminal that the program gets, so that it can open `/dev/stdout`, as runc has it (v1.1.5
/// libcontainer/init_linux.go fixStdioPermissions). `/dev/null` stays whose it is; where a file system refuses, no harm is done.
pub fn own_streams(user: &User) {
    use rustix::stdio;
    for fd in [stdio::stdin(), stdio::stdout(), stdio::stderr()] {
        let kind = fs::fstat(fd).map(|stat| fs::FileType::from_raw_mode(stat.st_mode));
        let is_null = fs::fstat(fd).is_ok_and(|stat| stat.st_rdev == fs::makedev(1, 3));
        if kind.is_ok_and(|kind| matches!(kind, fs::FileType::Fifo | fs::FileType::CharacterDevice)) && !is_null {
            let _ = fs::fchown(fd, Some(fs::Uid::from_raw(user.uid)), None);
        }
    }
}

/// Gives up everything that the program is not to have. Afterwards only its working directory is entered and it runs.
pub fn give_up_rights(process: &Process) -> Result<(), Refusal> {
    for limit in &process.rlimits {
        set_limit(limit)?;
    }
    if let Some(score) = process.oom_score_adj.map(|score| score.to_string()) {
        let file = "/proc/self/oom_score_adj";
        // In a user namespace of its own it was set from outside: there the file is another root's.
        if std::fs::read_to_string(file).map_or(true, |own| own.trim() != score) {
            std::fs::write(file, score).step("cannot set the oom score")?;
        }
    }
    for n in (0..64).filter(|&n| !process.capabilities.holds(n)) {
        // Numbers that this kernel does not know end the list.
        if sys::prctl(libc::PR_CAPBSET_DROP, u64::from(n), 0).is_err() {
            break;
        }
    }
    let filter = filter(process)?;
    if process.no_new_privileges {
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).step("cannot give up new privileges")?;
    } else if let Some(filter) = &filter {
        // Without no_new_privs the kernel asks for CAP_SYS_ADMIN, which is about to go.
        sys::seccomp(filter).step("cannot load the system call filter")?;
    }
    sys::prctl(libc::PR_SET_KEEPCAPS, 1, 0).step("cannot keep capabilities")?;
    let (uid, gid) = (process.user.uid, process.user.gid);
    sys::become_user(uid, gid, &process.user.groups).map_err(|error| match error.raw_os_error() {
        Some(libc::EINVAL) => Refusal::setup(
            format!("cannot become user {uid}:{gid}"),
            "this user namespace has no such ids, or not all of its groups",
        ),
        _ => Refusal::setup("cannot become the user", super::in_words(&error)),
    })?;
    sys::prctl(libc::PR_SET_KEEPCAPS, 0, 0).step("cannot keep capabilities")?;
    // What this process never had it cannot give; the launcher says so.
    let own = sys::capget().step("cannot tell capabilities")?;
    sys::capset(process.capabilities.0 & known() & own).step("cannot set capabilities")?;
    match (&filter, process.no_new_privileges) {
        (Some(filter), true) => sys::seccomp(filter).step("cannot load the system call filter"),
        _ => Ok(()),
    }
}

/// Capabilities that this kernel knows.
pub fn known() -> u64 {
    let last =
        std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok().and_then(|text| text.trim().parse::<u32>().ok());
    last.map_or(u64::MAX, |last| (1u64 << (last + 1).min(63)) - 1)
}

fn filter(process: &Process) -> Result<Option<Vec<sys::Instruction>>, Refusal> {
    let facts = facts(process);
    match &process.seccomp {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Default => Ok(Some(seccomp::default_filter(&facts))),
        Seccomp::Profile(text) => seccomp::compile(text, &facts)
            .map(Some)
            .map_err(|error| Refusal::setup("cannot use the seccomp profile", error)),
    }
}

/// What a profile's conditions are tested against.
pub fn facts(process: &Process) -> seccomp::Facts {
    seccomp::Facts { capabilities: process.capabilities, kernel: kernel() }
}

/// Major and minor number of the running kernel.
fn kernel() -> (u32, u32) {
    let release = system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn set_limit(limit: &Rlimit) -> Result<(), Refusal> {
    let step = format!("cannot set the limit '{}'", limit.name);
    let Some(number) = resource(&limit.name) else { return Err(Refusal::setup(step, "no such limit")) };
    sys::set_rlimit(number, limit.soft, limit.hard).step(&step)
}

/// The kernel's number of a limit by docker's name (docker/go-units v0.5.0 ulimit.go).
pub fn resource(name: &str) -> Option<u32> {
    let number = match name {
        "core" => libc::RLIMIT_CORE,
        "cpu" => libc::RLIMIT_CPU,
        "data" => libc::RLIMIT_DATA,
        "fsize" => libc::RLIMIT_FSIZE,
        "locks" => libc::RLIMIT_LOCKS,
        "memlock" => libc::RLIMIT_MEMLOCK,
        "msgqueue" => libc::RLIMIT_MSGQUEUE,
        "nice" => libc::RLIMIT_NICE,
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        "rss" => libc::RLIMIT_RSS,
        "rtprio" => libc::RLIMIT_RTPRIO,
        "rttime" => libc::RLIMIT_RTTIME,
        "sigpending" => libc::RLIMIT_SIGPENDING,
        "stack" => libc::RLIMIT_STACK,
        _ => return None,
    };
    Some(number)
}
