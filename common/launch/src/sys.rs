//! System calls that the crates at hand lack, each behind a safe signature.
//!
//! This is the one module of the crate with `unsafe`: raw syscall numbers and C structs stand here and nowhere else.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One instruction of classic BPF, as the kernel takes seccomp filters (linux/filter.h `sock_filter`).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How far to jump where the test holds.
    pub jump_true: u8,
    /// How far to jump where it does not.
    pub jump_false: u8,
    /// Operand.
    pub k: u32,
}

/// A child made by [`clone`].
pub enum Cloned {
    /// Here runs the child.
    Child,
    /// Here runs the parent; the child's id and a handle on it.
    Parent {
        /// Process id as the parent sees it.
        pid: i32,
        /// Handle that stays valid when the id is used again.
        handle: OwnedFd,
    },
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks with new namespaces (`CLONE_NEW*`). To be called while this process has one thread only: the child goes on with
/// a copy of it. `cgroup` puts the child there from its first instant (cgroup v2).
pub fn clone(namespaces: u64, cgroup: Option<BorrowedFd>) -> io::Result<Cloned> {
    let mut handle: i32 = -1;
    let mut args = CloneArgs {
        flags: namespaces | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut handle as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(fd) = cgroup {
        args.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP, linux/sched.h
        args.cgroup = fd.as_raw_fd() as u64;
    }
    // SAFETY: the arguments outlive the call; without CLONE_VM the child has its own copy of the memory and stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        // SAFETY: CLONE_PIDFD stored a new descriptor that nobody else owns.
        pid => Ok(Cloned::Parent { pid: pid as i32, handle: unsafe { OwnedFd::from_raw_fd(handle) } }),
    }
}

/// Forks a process that is not our child but our parent's, with new namespaces. Here `None`, there its number.
pub fn clone_sibling(namespaces: u64) -> io::Result<Option<i32>> {
    let args = CloneArgs { flags: namespaces | libc::CLONE_PARENT as u64, ..CloneArgs::default() };
    // SAFETY: the arguments outlive the call; without CLONE_VM the child has its own copy of the memory and stack.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid as i32)),
    }
}

#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Changes how the mount behind `tree` and all below it spread (`MS_PRIVATE`, `MS_SLAVE`).
pub fn mount_propagation(tree: BorrowedFd, kind: u64) -> io::Result<()> {
    set_mount(tree, MountAttr { propagation: kind, ..MountAttr::default() }, true)
}

/// Changes attributes (`MOUNT_ATTR_*`) of the mount behind `tree`, with those below it where `recursive`.
pub fn mount_setattr(tree: BorrowedFd, set: u64, recursive: bool) -> io::Result<()> {
    set_mount(tree, MountAttr { set, ..MountAttr::default() }, recursive)
}

fn set_mount(tree: BorrowedFd, attr: MountAttr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, the struct outlives the call and its size is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Puts this process, with its one thread, under a filter.
pub fn seccomp(filter: &[Instruction]) -> io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr() as *mut libc::sock_filter };
    // SAFETY: `Instruction` has the layout of `sock_filter`; the program outlives the call and is only read.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A `prctl` that takes numbers only.
pub fn prctl(option: i32, a: u64, b: u64) -> io::Result<()> {
    // SAFETY: only options whose arguments are numbers are passed in this crate.
    let done = unsafe { libc::prctl(option, a, b, 0, 0) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

impl CapabilityHeader {
    /// Of this thread, by `_LINUX_CAPABILITY_VERSION_3`.
    fn own() -> CapabilityHeader {
        CapabilityHeader { version: 0x2008_0522, pid: 0 }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The capabilities that this process has to give.
pub fn capget() -> io::Result<u64> {
    let mut header = CapabilityHeader::own();
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 fills two data structs; both outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::from(data[0].permitted) | u64::from(data[1].permitted) << 32)
}

/// Sets effective and permitted capabilities; none is inheritable.
pub fn capset(set: u64) -> io::Result<()> {
    let header = CapabilityHeader::own();
    let half = |bits: u64| Data { effective: bits as u32, permitted: bits as u32, inheritable: 0 };
    let data = [half(set), half(set >> 32)];
    // SAFETY: version 3 takes two data structs; both outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Becomes this user for good: groups, then group, then user.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // In a namespace that its user made alone, groups cannot be given up, nor others be had.
    let keeps = std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "deny");
    // SAFETY: the list outlives the call; the raw syscalls act on this thread, which is the only one.
    let done = unsafe {
        (keeps || libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) != -1)
            && libc::syscall(libc::SYS_setresgid, gid, gid, gid) != -1
            && libc::syscall(libc::SYS_setresuid, uid, uid, uid) != -1
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets a limit of this process.
pub fn set_rlimit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the struct outlives the call.
    let done = unsafe { libc::prlimit64(0, resource, &raw const limit, std::ptr::null_mut()) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The most that a limit may be raised to: all where this process may, else its own hard limit.
pub fn most(resource: u32) -> u64 {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct outlives the call, which fills it.
    let read = unsafe { libc::prlimit64(0, resource, std::ptr::null(), &raw mut limit) };
    // Setting the hard limit one higher shows whether that is allowed, without a look at capabilities.
    if read == -1 || limit.rlim_max == u64::MAX || set_rlimit(resource, limit.rlim_cur, limit.rlim_max + 1).is_ok() {
        let _ = set_rlimit(resource, limit.rlim_cur, limit.rlim_max);
        return u64::MAX;
    }
    limit.rlim_max
}

/// Closes a forked process's copy of a descriptor whose owner is in the process that forked it, and is never dropped here.
pub fn let_go(fd: BorrowedFd) {
    // SAFETY: nobody in this process uses the number again: it ends, or becomes another program.
    unsafe { libc::close(fd.as_raw_fd()) };
}

/// Joins the namespace behind `fd`.
pub fn setns(fd: BorrowedFd, kind: i32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    let done = unsafe { libc::setns(fd.as_raw_fd(), kind) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `CLONE_NEWUSER` where a process is in another user namespace than this one: one's own cannot be joined again.
pub fn other_user_namespace(process: BorrowedFd) -> i32 {
    use std::os::unix::fs::MetadataExt;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())).unwrap_or_default();
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).map(str::trim).unwrap_or_default();
    let number = |pid: &str| std::fs::metadata(format!("/proc/{pid}/ns/user")).ok().map(|stat| stat.ino());
    match (number(pid), number("self")) {
        (Some(theirs), Some(own)) if theirs != own => libc::CLONE_NEWUSER,
        _ => 0,
    }
}

/// Sets the interface `lo` of this network namespace up, as in every container of docker's, connected or not.
pub fn raise_loopback() -> io::Result<()> {
    // SAFETY: takes numbers only.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: a struct of numbers and characters; all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the struct outlives the call, which reads it.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets a limit of another process, as whoever may raise it.
pub fn set_rlimit_of(pid: i32, resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the struct outlives the call.
    let done = unsafe { libc::prlimit64(pid, resource, &raw const limit, std::ptr::null_mut()) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Leaves shared namespaces (`CLONE_NEW*`).
pub fn unshare(kinds: i32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    let done = unsafe { libc::unshare(kinds) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Marks every descriptor from 3 on to be closed by execve.
pub fn close_on_exec_from_three() -> io::Result<()> {
    // SAFETY: takes numbers only; with CLOEXEC nothing is closed yet.
    let done = unsafe {
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 4 /* CLOSE_RANGE_CLOEXEC */)
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Replaces this program. Returns only where that failed.
pub fn execve(path: &CString, args: &[CString], env: &[CString]) -> io::Error {
    let pointers =
        |list: &[CString]| list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both lists end in a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Gives signals their default meaning and unblocks them, as a program that docker starts finds them.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL needs no handler; what cannot be changed (KILL, STOP, 32, 33) fails without effect.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an empty set is initialised before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Makes the terminal behind `fd` this session's own.
pub fn take_terminal(fd: BorrowedFd) -> io::Result<()> {
    // SAFETY: the request takes a number.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the kernel tells of a process by its handle (linux/pidfd.h `struct pidfd_info`, its first version).
#[repr(C)]
#[derive(Default)]
struct ProcessInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit: i32,
}

/// How a process ended that is not our child, as wait(2) has it; its handle must have been opened before. `None` while its
/// parent has not heard of its end. Kernels before 6.15 cannot tell.
pub fn exit_of(handle: BorrowedFd) -> io::Result<Option<i32>> {
    const EXIT: u64 = 1 << 3; // PIDFD_INFO_EXIT
    const GET_INFO: u64 = 0xc040_ff0b; // PIDFD_GET_INFO: _IOWR(0xFF, 11, struct pidfd_info) with 64 bytes
    let mut info = ProcessInfo { mask: EXIT, ..ProcessInfo::default() };
    // SAFETY: the request reads and writes a struct of this size, which outlives the call.
    let done = unsafe { libc::ioctl(handle.as_raw_fd(), GET_INFO, &raw mut info) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((info.mask & EXIT != 0).then_some(info.exit))
}

/// Gives memory that is free again back to the system, for a process that stays long and needs little.
pub fn give_memory_back() {
    // SAFETY: takes a number, and only frees what is free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Ends this process at once, without running anything registered for the end.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// Takes the program's own instructions and constants out of this process's memory. What is needed again comes back from the
/// file; what was only for the start does not, so a process that waits for days holds little. Failure is no harm.
pub fn let_go_of_program() {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut place = None;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next(), words.nth(3)) {
            (Some(range), Some("r-xp" | "r--p"), Some(path)) if path.starts_with('/') => {
                let ends = range.split_once('-').map(|(from, to)| [from, to].map(|at| usize::from_str_radix(at, 16)));
                place = ends.and_then(|ends| Some((ends[0].clone().ok()?, ends[1].clone().ok()?)));
            }
            // What the linker wrote before it was locked (RELRO) is not in the file: it counts as anonymous.
            (Some("Anonymous:"), Some("0"), _) => {
                if let Some((from, to)) = place.take() {
                    // SAFETY: no page of it was ever written and none can be (r-x, r--), so every page is the file's and
                    // reads the same when it is mapped in anew.
                    unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) };
                }
            }
            (Some("Anonymous:"), ..) => place = None,
            (Some(range), Some(rights), _) if rights.len() == 4 && range.contains('-') => place = None,
            _ => {}
        }
    }
}
