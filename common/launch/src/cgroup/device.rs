//! Device rules on version 2: a program of the kernel's own machine, written by hand, attached to the group.
//!
//! It sees the kind, the access and the numbers of each device that is opened or made (linux/bpf.h
//! `bpf_cgroup_dev_ctx`), and answers 1 or 0.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::spec::DeviceRule;

/// One instruction (linux/bpf.h `bpf_insn`).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

const BLOCK: i32 = 1;
const CHAR: i32 = 2;
// Registers: 0 answer, 1 context, 2 kind, 3 access, 4 major, 5 minor, 6 scratch.
const EXIT: Instruction = Instruction { code: 0x95, registers: 0, offset: 0, immediate: 0 };

fn load(to: u8, offset: i16) -> Instruction {
    Instruction { code: 0x61, registers: 1 << 4 | to, offset, immediate: 0 }
}

fn copy(to: u8, from: u8) -> Instruction {
    Instruction { code: 0xbc, registers: from << 4 | to, offset: 0, immediate: 0 }
}

fn compute(code: u8, register: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: register, offset: 0, immediate }
}

fn skip_unless_equal(register: u8, immediate: i32, over: i16) -> Instruction {
    Instruction { code: 0x55, registers: register, offset: over, immediate }
}

/// The program for a list of permissions; what none of them allows is refused.
fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    // kind = word & 0xffff, access = word >> 16
    let mut out = vec![load(2, 0), copy(3, 2), compute(0x54, 2, 0xffff), compute(0x74, 3, 16), load(4, 4), load(5, 8)];
    for rule in rules {
        out.extend(test(rule));
    }
    out.extend([compute(0xb4, 0, 0), EXIT]);
    out
}

/// Instructions that answer 1 where the rule allows, else go on behind themselves.
fn test(rule: &DeviceRule) -> Vec<Instruction> {
    let mut checks: Vec<(u8, i32)> = Vec::new();
    match rule.kind {
        'b' => checks.push((2, BLOCK)),
        'c' => checks.push((2, CHAR)),
        _ => {}
    }
    checks.extend(rule.major.map(|number| (4, number as i32)));
    checks.extend(rule.minor.map(|number| (5, number as i32)));
    let access = [('m', 1), ('r', 2), ('w', 4)]
        .iter()
        .filter(|(letter, _)| rule.access.contains(*letter))
        .map(|(_, bit)| bit)
        .sum::<i32>();
    let answer = [compute(0xb4, 0, 1), EXIT];
    // Access that the rule does not name must be zero: scratch = access & !allowed.
    let narrow = [copy(6, 3), compute(0x54, 6, 7 & !access)];
    let total = checks.len() + narrow.len() + 1 + answer.len();
    let mut out: Vec<Instruction> = Vec::with_capacity(total);
    for (register, value) in checks {
        let over = (total - out.len() - 1) as i16;
        out.push(skip_unless_equal(register, value, over));
    }
    out.extend(narrow);
    out.push(skip_unless_equal(6, 0, answer.len() as i16));
    out.extend(answer);
    out
}

/// Attaches the rules to a group. They hold as long as it exists.
pub fn attach(group: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log: [u64; 2],
        version: u32,
        flags: u32,
    }
    #[repr(C)]
    struct Attach {
        target: u32,
        program: u32,
        kind: u32,
        flags: u32,
    }
    let code = program(rules);
    let license = c"Apache-2.0";
    let load = Load {
        kind: 15, // BPF_PROG_TYPE_CGROUP_DEVICE
        count: code.len() as u32,
        instructions: code.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log: [0; 2],
        version: 0,
        flags: 0,
    };
    // SAFETY: the struct and all that it points to outlive the call, which only reads them.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, 5 /* BPF_PROG_LOAD */, &raw const load, size_of::<Load>())
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned a new descriptor that nobody else owns.
    let loaded = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let group = std::fs::File::open(group)?;
    // BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI
    let attach = Attach { target: group.as_raw_fd() as u32, program: loaded.as_raw_fd() as u32, kind: 6, flags: 2 };
    // SAFETY: the struct outlives the call, which only reads it.
    let done = unsafe {
        libc::syscall(libc::SYS_bpf, 8 /* BPF_PROG_ATTACH */, &raw const attach, size_of::<Attach>())
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would, on (kind, access, major, minor).
    fn runs(code: &[Instruction], kind: i32, access: i32, major: i32, minor: i32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0i32; 7];
        let mut at = 0;
        loop {
            let step = code[at];
            let (to, from) = ((step.registers & 15) as usize, (step.registers >> 4) as usize);
            at += 1;
            match step.code {
                0x61 => registers[to] = context[step.offset as usize / 4],
                0xbc => registers[to] = registers[from],
                0x54 => registers[to] &= step.immediate,
                0x74 => registers[to] = (registers[to] as u32 >> step.immediate) as i32,
                0xb4 => registers[to] = step.immediate,
                0x55 if registers[to] != step.immediate => at += step.offset as usize,
                0x55 => {}
                0x95 => return registers[0] == 1,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn only_what_a_rule_names_is_allowed() {
        let rule = |kind, major, minor, access: &str| DeviceRule { kind, major, minor, access: access.into() };
        let code = program(&[
            rule('c', None, None, "m"),
            rule('c', Some(1), Some(3), "rwm"),
            rule('c', Some(136), None, "rw"),
        ]);
        for (kind, access, major, minor, allowed) in [
            (CHAR, 2, 1, 3, true),
            (CHAR, 6, 1, 3, true),
            (CHAR, 1, 9, 9, true),
            (CHAR, 3, 9, 9, false),
            (BLOCK, 1, 8, 0, false),
            (BLOCK, 2, 1, 3, false),
            (CHAR, 6, 136, 7, true),
            (CHAR, 4, 1, 5, false),
        ] {
            assert_eq!(runs(&code, kind, access, major, minor), allowed, "{kind} {access} {major}:{minor}");
        }
        assert!(runs(&program(&[rule('a', None, None, "rwm")]), BLOCK, 7, 8, 0));
        assert!(!runs(&program(&[]), CHAR, 2, 1, 3));
    }
}
