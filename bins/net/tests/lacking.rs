//! Kernels that lack what rules need: refused with the module named, before anything is changed.
//!
//! This kernel has all of it. So `net` is traced, and in what it sends to the kernel the name of one kind of expression is
//! changed to one that no kernel has: the answers are the kernel's own.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails
#![cfg(target_arch = "x86_64")] // registers

mod lab;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

use lab::{Kept, Lab, container, snapshot, unchanged};

/// `sendto` (arch/x86/entry/syscalls/syscall_64.tbl).
const SENDTO: u64 = 44;

/// Runs `net` on the lab's state, with `from` replaced in all that it sends. Returns exit status and complaint.
fn done(lab: &Lab, args: &[&str], from: &[u8], to: &[u8]) -> (i32, String) {
    let mut command = Command::new("sh");
    // It stops by itself until it is traced.
    command.args(["-c", "kill -STOP $$; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_net")]).args(args);
    command.args(["--state-dir", lab.state.path().to_str().unwrap()]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(child.id() as i32);
    let stopped = waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WUNTRACED)).unwrap();
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    ptrace::attach(pid).unwrap();
    waitpid(pid, None).unwrap();
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    ptrace::syscall(pid, Signal::SIGCONT).unwrap();
    let status = loop {
        match waitpid(pid, None).unwrap() {
            WaitStatus::Exited(_, status) => break status,
            WaitStatus::PtraceSyscall(_) => {
                let registers = ptrace::getregs(pid).unwrap();
                if registers.orig_rax == SENDTO {
                    replace(pid, registers.rsi, registers.rdx as usize, from, to);
                }
                ptrace::syscall(pid, None).unwrap();
            }
            // The stop by itself, and that of a new program.
            WaitStatus::Stopped(_, Signal::SIGSTOP | Signal::SIGTRAP | Signal::SIGCONT) => {
                ptrace::syscall(pid, None).unwrap();
            }
            WaitStatus::Stopped(_, signal) => ptrace::syscall(pid, signal).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    // It has been waited for above; this one tells the library.
    let _ = child.wait();
    (status, said)
}

/// Replaces bytes in another process's memory.
fn replace(pid: Pid, at: u64, length: usize, from: &[u8], to: &[u8]) {
    let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem")).unwrap();
    let mut sent = vec![0; length];
    memory.read_exact_at(&mut sent, at).unwrap();
    let places: Vec<usize> = (0..length).filter(|place| sent[*place..].starts_with(from)).collect();
    places.iter().for_each(|place| memory.write_all_at(to, at + *place as u64).unwrap());
}

/// An attribute with a text: length, kind, text and zero byte (linux/netlink.h).
fn attribute(kind: u8, text: &str) -> Vec<u8> {
    [&[text.len() as u8 + 5, 0, kind, 0], text.as_bytes(), &[0]].concat()
}

#[test]
fn a_kernel_without_a_module_is_named_and_nothing_is_changed() {
    let lab = Lab::new();
    let web = Kept::new();
    let objects = json!([container("web", web.0.id(), "bridge", json!({ "80/tcp": [{ "HostPort": "8080" }] }))]);
    let file = lab.state.path().join("objects");
    fs::write(&file, objects.to_string()).unwrap();
    let before = snapshot();
    let up = ["up", "-q", file.to_str().unwrap()];
    // NFTA_EXPR_NAME is 1, NFTA_CHAIN_TYPE 7.
    for (kind, name, other, module) in [
        (1, "masq", "mask", "nft_masq"),
        (1, "nat", "nay", "nft_nat"),
        (1, "fib", "fig", "nft_fib_ipv4"),
        (1, "ct", "cx", "nft_ct"),
        (7, "nat", "nay", "nft_chain_nat"),
    ] {
        let (status, said) = done(&lab, &up, &attribute(kind, name), &attribute(kind, other));
        let expected = format!("this kernel has no {module} (modprobe {module}, or a kernel that has it)\n");
        assert!(status == 1 && said.starts_with("net: cannot put ") && said.ends_with(&expected), "{status} {said}");
        unchanged(&before, module);
        let left: Vec<_> = fs::read_dir(lab.state.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".json")), "no state is left: {left:?}");
    }
    let (status, said) = done(&lab, &up, b"what is never sent", b"");
    assert_eq!((status, said.as_str()), (0, ""), "traced, and nothing replaced");
    lab.down();
    unchanged(&before, "in the end");
}
