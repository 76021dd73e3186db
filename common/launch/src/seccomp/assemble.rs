//! Decisions to instructions: one jump by architecture, then a binary search for the number, then the arguments.

use super::profile::{Answer, Compare, Table, Test, Verdict};
use crate::sys::Instruction;

// Offsets in the kernel's `seccomp_data` (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, k }
}

/// The whole filter. A program of an architecture that no table is for gets the first table's default.
pub fn assemble(tables: &[Table]) -> Vec<Instruction> {
    let mut out = vec![op(LOAD, ARCH)];
    let other = tables.first().map_or(0, |table| table.default);
    let blocks: Vec<(u32, Vec<Instruction>)> = tables.iter().map(|table| (table.arch, block(table))).collect();
    for (arch, code) in blocks {
        // Where it is another architecture, over this block; a block is longer than a conditional jump reaches.
        out.push(Instruction { code: IF_EQUAL, jump_true: 1, jump_false: 0, k: arch });
        out.push(op(JUMP, code.len() as u32));
        out.extend(code);
    }
    out.push(op(RETURN, other));
    out
}

fn block(table: &Table) -> Vec<Instruction> {
    let fallback = Verdict::default();
    let mut ranges: Vec<(u32, &Verdict)> = vec![(0, table.calls.get(&0).unwrap_or(&fallback))];
    let last = table.calls.keys().next_back().copied().unwrap_or(0);
    for number in 1..=last + 1 {
        let verdict = table.calls.get(&number).unwrap_or(&fallback);
        if ranges.last().is_none_or(|(_, before)| *before != verdict) {
            ranges.push((number, verdict));
        }
    }
    let mut out = vec![op(LOAD, NUMBER)];
    out.extend(search(&ranges, table.default));
    out
}

/// Ranges of numbers with one verdict each, by their first number.
fn search(ranges: &[(u32, &Verdict)], default: Answer) -> Vec<Instruction> {
    if let [(_, verdict)] = ranges {
        return leaf(verdict, default);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (left, right) = (search(low, default), search(high, default));
    let mut out = match u8::try_from(left.len()) {
        Ok(over) => vec![Instruction { code: IF_AT_LEAST, jump_true: over, jump_false: 0, k: high[0].0 }],
        Err(_) => vec![
            Instruction { code: IF_AT_LEAST, jump_true: 0, jump_false: 1, k: high[0].0 },
            op(JUMP, left.len() as u32),
        ],
    };
    out.extend(left);
    out.extend(right);
    out
}

fn leaf(verdict: &Verdict, default: Answer) -> Vec<Instruction> {
    // A rule without tests holds whatever the others say, as libseccomp takes it.
    if let Some((_, answer)) = verdict.rules.iter().find(|(tests, _)| tests.is_empty()) {
        return vec![op(RETURN, *answer)];
    }
    let mut out = Vec::new();
    for (tests, answer) in &verdict.rules {
        let mut rule = vec![op(RETURN, *answer)];
        for test in tests.iter().rev() {
            let miss = rule.len();
            let mut with = compare(test, miss as u8);
            with.append(&mut rule);
            rule = with;
        }
        out.extend(rule);
    }
    out.push(op(RETURN, default));
    out
}

/// Instructions that go on behind themselves where the test holds, and `miss` further where it does not.
fn compare(test: &Test, miss: u8) -> Vec<Instruction> {
    let low = ARGUMENTS + 8 * u32::from(test.index);
    let (high_word, low_word) = ((test.value >> 32) as u32, test.value as u32);
    let jump = |code, k, jump_true, jump_false| Instruction { code, jump_true, jump_false, k };
    match test.compare {
        Compare::Equal => vec![
            op(LOAD, low + 4),
            jump(IF_EQUAL, high_word, 0, miss + 2),
            op(LOAD, low),
            jump(IF_EQUAL, low_word, 0, miss),
        ],
        Compare::NotEqual => {
            vec![op(LOAD, low + 4), jump(IF_EQUAL, high_word, 0, 2), op(LOAD, low), jump(IF_EQUAL, low_word, miss, 0)]
        }
        Compare::Masked(mask) => vec![
            op(LOAD, low + 4),
            op(AND, (mask >> 32) as u32),
            jump(IF_EQUAL, high_word, 0, miss + 3),
            op(LOAD, low),
            op(AND, mask as u32),
            jump(IF_EQUAL, low_word, 0, miss),
        ],
        Compare::Greater => ordered(low, high_word, jump(IF_GREATER, low_word, 0, miss), miss),
        Compare::GreaterEqual => ordered(low, high_word, jump(IF_AT_LEAST, low_word, 0, miss), miss),
        Compare::Less => reversed(low, high_word, jump(IF_AT_LEAST, low_word, miss, 0), miss),
        Compare::LessEqual => reversed(low, high_word, jump(IF_GREATER, low_word, miss, 0), miss),
    }
}

/// High word greater: holds. Less: does not. Equal: the low word decides.
fn ordered(low: u32, high_word: u32, last: Instruction, miss: u8) -> Vec<Instruction> {
    vec![
        op(LOAD, low + 4),
        Instruction { code: IF_GREATER, jump_true: 3, jump_false: 0, k: high_word },
        Instruction { code: IF_EQUAL, jump_true: 0, jump_false: miss + 2, k: high_word },
        op(LOAD, low),
        last,
    ]
}

/// High word less: holds. Greater: does not. Equal: the low word decides.
fn reversed(low: u32, high_word: u32, last: Instruction, miss: u8) -> Vec<Instruction> {
    vec![
        op(LOAD, low + 4),
        Instruction { code: IF_GREATER, jump_true: miss + 3, jump_false: 0, k: high_word },
        Instruction { code: IF_EQUAL, jump_true: 0, jump_false: 2, k: high_word },
        op(LOAD, low),
        last,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::profile::{ALLOW, Facts, Profile, decide};
    use super::*;
    use crate::capability::Capabilities;
    use proptest::prelude::*;

    /// Runs a filter as the kernel would.
    fn runs(code: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let word = |at: u32| match at {
            NUMBER => number,
            ARCH => arch,
            at => {
                let argument = arguments[((at - ARGUMENTS) / 8) as usize];
                if (at - ARGUMENTS).is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
            }
        };
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let step = code[at];
            at += 1;
            let mut branch = |holds: bool| at += usize::from(if holds { step.jump_true } else { step.jump_false });
            match step.code {
                LOAD => accumulator = word(step.k),
                AND => accumulator &= step.k,
                IF_EQUAL => branch(accumulator == step.k),
                IF_GREATER => branch(accumulator > step.k),
                IF_AT_LEAST => branch(accumulator >= step.k),
                JUMP => at += step.k as usize,
                RETURN => return step.k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn docker() -> Vec<Instruction> {
        let profile = Profile::parse(include_str!("../../data/seccomp.json")).unwrap();
        let facts = Facts { capabilities: Capabilities::docker(), kernel: (6, 1) };
        assemble(&decide(&profile, &facts).unwrap())
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_default_profile_answers_as_dockers() {
        let code = docker();
        const X86_64: u32 = 0xc000_003e;
        const I386: u32 = 0x4000_0003;
        let none = [0; 6];
        let errno = |n: u32| 0x0005_0000 | n;
        for (arch, number, arguments, answer) in [
            (X86_64, 0, none, ALLOW),                              // read
            (X86_64, 165, none, errno(1)),                         // mount
            (X86_64, 435, none, errno(38)),                        // clone3: not there, so that libc uses clone
            (X86_64, 56, [0x7e02_0000, 0, 0, 0, 0, 0], errno(1)),  // clone with new namespaces
            (X86_64, 56, [0x0120_0011, 0, 0, 0, 0, 0], ALLOW),     // clone as fork does it
            (X86_64, 41, [2, 0, 0, 0, 0, 0], ALLOW),               // socket AF_INET
            (X86_64, 41, [38, 0, 0, 0, 0, 0], errno(1)),           // AF_ALG
            (X86_64, 41, [40, 0, 0, 0, 0, 0], errno(1)),           // AF_VSOCK
            (X86_64, 135, [0xffff_ffff, 0, 0, 0, 0, 0], ALLOW),    // personality: ask
            (X86_64, 135, [0x0040_0000, 0, 0, 0, 0, 0], errno(1)), // personality: ADDR_NO_RANDOMIZE
            (X86_64, 161, none, ALLOW),                            // chroot, which docker's default rights hold
            (X86_64, 425, none, errno(1)),                         // io_uring_setup
            (X86_64, 0x4000_0000, none, errno(1)),                 // x32
            (I386, 3, none, ALLOW),                                // read
            (I386, 21, none, errno(1)),                            // mount
            (0xc000_00b7, 63, none, errno(1)),                     // another machine's
        ] {
            assert_eq!(runs(&code, arch, number, arguments), answer, "{arch:#x} {number} {arguments:?}");
        }
        assert!(code.len() < 4096, "{} instructions", code.len());
    }

    proptest! {
        #[test]
        fn comparisons_hold_for_all_64_bits(value in any::<u64>(), other in any::<u64>(), near in -1i64..=1, pick in 0usize..7, mask in any::<u64>()) {
            let argument = if near == 0 { value } else if other % 2 == 0 { value.wrapping_add(near as u64) } else { other };
            let (compare, expected) = match pick {
                0 => (Compare::Equal, argument == value),
                1 => (Compare::NotEqual, argument != value),
                2 => (Compare::Less, argument < value),
                3 => (Compare::LessEqual, argument <= value),
                4 => (Compare::Greater, argument > value),
                5 => (Compare::GreaterEqual, argument >= value),
                _ => (Compare::Masked(mask), argument & mask == value),
            };
            let verdict = Verdict { rules: vec![(vec![Test { index: 2, compare, value }], ALLOW)] };
            let answer = runs(&leaf(&verdict, 1), 0, 0, [0, 0, argument, 0, 0, 0]);
            prop_assert_eq!(answer == ALLOW, expected);
        }
    }
}
