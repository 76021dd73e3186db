//! The init itself: `/sbin/docker-init -- PROGRAM ARG…`. No standard library, system calls only.
//!
//! Called as `exec PIPE FACTS PATH PROGRAM ARG…` it is the launcher's last step: becomes the program, or says on the pipe
//! why not. So that what `/proc/self/exe` leads to is this, never the launcher, whatever the image has a program's name
//! lead to.
//!
//! Signals are blocked and taken one by one, so none is lost; the program gets them unblocked. Once the program has ended,
//! so does this, with its status, or 128 and the signal's number.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

use core::arch::{asm, global_asm};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(125)
}

#[cfg(target_arch = "x86_64")]
mod number {
    pub const KILL: usize = 62;
    pub const EXIT: usize = 231;
    pub const SIGPROCMASK: usize = 14;
    pub const SIGTIMEDWAIT: usize = 128;
    pub const WAIT4: usize = 61;
    pub const EXECVE: usize = 59;
    pub const CLONE: usize = 56;
    pub const PRCTL: usize = 157;
    pub const WRITE: usize = 1;
    pub const FCNTL: usize = 72;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const KILL: usize = 129;
    pub const EXIT: usize = 94;
    pub const SIGPROCMASK: usize = 135;
    pub const SIGTIMEDWAIT: usize = 137;
    pub const WAIT4: usize = 260;
    pub const EXECVE: usize = 221;
    pub const CLONE: usize = 220;
    pub const PRCTL: usize = 167;
    pub const WRITE: usize = 64;
    pub const FCNTL: usize = 25;
}

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "mov rdi, rsp", "and rsp, -16", "call {main}", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {main}", main = sym main);

#[cfg(target_arch = "x86_64")]
fn call(n: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the kernel keeps all registers but those named; the fifth argument is zero for every call made here.
    unsafe {
        asm!("syscall", inlateout("rax") n as isize => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            in("r8") 0, lateout("rcx") _, lateout("r11") _);
    }
    result
}

#[cfg(target_arch = "aarch64")]
fn call(n: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the kernel keeps all registers but x0; the fifth argument is zero for every call made here.
    unsafe {
        asm!("svc 0", in("x8") n, inlateout("x0") a as isize => result, in("x1") b, in("x2") c, in("x3") d, in("x4") 0);
    }
    result
}

const SIGNAL_SET: usize = 8;
const SET_MASK: usize = 2;
const CHILD: isize = 17;
const NO_HANG: usize = 1;
const NO_ENTRY: isize = -2;
const NOT_DIRECTORY: isize = -20;
const SET_CHILD_SUBREAPER: usize = 36;
const SET_FLAGS: usize = 2;
const CLOSE_ON_EXEC: usize = 1;

/// The kernel puts the number of arguments, the arguments, zero, the variables and zero on the stack.
extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: the layout is the kernel's promise.
    let (count, args) = unsafe { (*stack, stack.add(1).cast::<*const u8>()) };
    // SAFETY: the zero behind the arguments is there.
    let env = unsafe { args.add(count + 1) };
    if count < 3 {
        exit(125);
    }
    // SAFETY: the kernel's C strings.
    if unsafe { text(*args) } == b"exec" && count > 4 {
        last_step(args, env);
    }
    // SAFETY: three arguments at least: itself, `--`, the program.
    let program = unsafe { args.add(2) };
    let all = u64::MAX;
    let none = 0u64;
    let mut before = 0u64;
    call(number::SIGPROCMASK, SET_MASK, &raw const all as usize, &raw mut before as usize, SIGNAL_SET);
    call(number::PRCTL, SET_CHILD_SUBREAPER, 1, 0, 0);
    let child = call(number::CLONE, CHILD as usize, 0, 0, 0);
    if child < 0 {
        exit(125);
    }
    if child == 0 {
        call(number::SIGPROCMASK, SET_MASK, &raw const none as usize, 0, SIGNAL_SET);
        execute(program, env);
    }
    attend(child)
}

/// Becomes the program; else the pipe hears a mark, the error's number, and the facts as they were told.
fn last_step(args: *const *const u8, env: *const *const u8) -> ! {
    // SAFETY: five arguments at least, C strings of the kernel's.
    let (pipe, facts, path, program) = unsafe { (text(*args.add(1)), text(*args.add(2)), *args.add(3), args.add(4)) };
    let pipe = pipe.iter().fold(0usize, |number, digit| number * 10 + usize::from(digit.wrapping_sub(b'0') & 15));
    call(number::FCNTL, pipe, SET_FLAGS, CLOSE_ON_EXEC, 0);
    let error = call(number::EXECVE, path as usize, program as usize, env as usize, 0);
    let word = [254u8, error.wrapping_neg() as u8, facts.first().copied().unwrap_or(b'0')];
    call(number::WRITE, pipe, word.as_ptr() as usize, word.len(), 0);
    exit(125)
}

/// Passes signals on, and waits for the program and for whatever it leaves.
fn attend(child: isize) -> ! {
    let all = u64::MAX;
    loop {
        let signal = call(number::SIGTIMEDWAIT, &raw const all as usize, 0, 0, SIGNAL_SET);
        if signal > 0 && signal != CHILD {
            call(number::KILL, child as usize, signal as usize, 0, 0);
        }
        loop {
            let mut status = 0i32;
            let ended = call(number::WAIT4, usize::MAX, &raw mut status as usize, NO_HANG, 0);
            if ended <= 0 {
                break;
            }
            if ended == child {
                let signal = status & 0x7f;
                exit(if signal == 0 { (status >> 8) as usize & 0xff } else { 128 + signal as usize });
            }
        }
    }
}

/// Becomes the program: as it stands where its name has a slash, else the first of PATH that can be run.
fn execute(program: *const *const u8, env: *const *const u8) -> ! {
    // SAFETY: a C string of the kernel's.
    let name = unsafe { text(*program) };
    let mut worst = NO_ENTRY;
    let mut attempt = |path: *const u8| {
        let error = call(number::EXECVE, path as usize, program as usize, env as usize, 0);
        if error != NO_ENTRY && error != NOT_DIRECTORY {
            worst = error;
        }
    };
    if name.contains(&b'/') {
        attempt(name.as_ptr());
    } else {
        for folder in path(env).split(|&byte| byte == b':') {
            let mut whole = [0u8; 4096];
            let folder = if folder.is_empty() { b"." } else { folder };
            if folder.len() + name.len() + 2 <= whole.len() {
                whole[..folder.len()].copy_from_slice(folder);
                whole[folder.len()] = b'/';
                whole[folder.len() + 1..][..name.len()].copy_from_slice(name);
                attempt(whole.as_ptr());
            }
        }
    }
    for part in [&b"[FATAL docker-init] exec "[..], name, b" failed\n"] {
        call(number::WRITE, 2, part.as_ptr() as usize, part.len(), 0);
    }
    exit(if worst == NO_ENTRY { 127 } else { 126 })
}

/// The value of PATH.
fn path(env: *const *const u8) -> &'static [u8] {
    let mut at = env;
    // SAFETY: the list ends in a null pointer, its members are C strings of the kernel's.
    unsafe {
        while !(*at).is_null() {
            if let Some(value) = text(*at).strip_prefix(b"PATH=") {
                return value;
            }
            at = at.add(1);
        }
    }
    b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

/// A C string without its end.
///
/// # Safety
/// `start` points to bytes that end in a zero and live as long as the program.
unsafe fn text(start: *const u8) -> &'static [u8] {
    let mut length = 0;
    while *start.add(length) != 0 {
        length += 1;
    }
    core::slice::from_raw_parts(start, length)
}

fn exit(status: usize) -> ! {
    loop {
        call(number::EXIT, status, 0, 0, 0);
    }
}

/// What the compiler calls for moving bytes.
#[no_mangle]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    let mut at = 0;
    while at < count {
        core::ptr::write_volatile(to.add(at), *from.add(at));
        at += 1;
    }
    to
}

/// What the compiler calls for filling bytes.
#[no_mangle]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    let mut at = 0;
    while at < count {
        core::ptr::write_volatile(to.add(at), value as u8);
        at += 1;
    }
    to
}

/// What the compiler calls for comparing bytes.
#[no_mangle]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    let mut at = 0;
    while at < count {
        let (x, y) = (*a.add(at), *b.add(at));
        if x != y {
            return i32::from(x) - i32::from(y);
        }
        at += 1;
    }
    0
}

/// As `memcmp`, for equality.
#[no_mangle]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    memcmp(a, b, count)
}

/// What the compiler calls for the length of a C string.
#[no_mangle]
unsafe extern "C" fn strlen(start: *const u8) -> usize {
    let mut length = 0;
    while core::ptr::read_volatile(start.add(length)) != 0 {
        length += 1;
    }
    length
}

/// Named by the core library's tables for unwinding, which is never done here.
#[no_mangle]
extern "C" fn rust_eh_personality() {}
