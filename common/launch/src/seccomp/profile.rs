//! A profile in docker's JSON form, and what it says for one container.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::capability::Capabilities;

/// What a profile's conditions are tested against.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The container's capabilities.
    pub capabilities: Capabilities,
    /// The kernel's version, major and minor.
    pub kernel: (u32, u32),
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is not a profile.
    #[error("not a seccomp profile")]
    Json(#[from] serde_json::Error),
    /// It names an action that is not known.
    #[error("unknown action '{0}'")]
    Action(String),
    /// It names a comparison that is not known.
    #[error("unknown comparison '{0}'")]
    Comparison(String),
    /// This machine has no table of system calls here.
    #[error("no table of system calls for '{0}'")]
    Machine(&'static str),
}

/// A profile as written (moby v20.10.24 profiles/seccomp/seccomp.go).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    name: String,
    action: String,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

/// What happens to a system call: the kernel's return value of a filter.
pub type Answer = u32;

/// SECCOMP_RET_ALLOW (linux/seccomp.h).
pub const ALLOW: Answer = 0x7fff_0000;
const ERRNO: Answer = 0x0005_0000;

/// A comparison of one argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Test {
    /// Which argument, 0 to 5.
    pub index: u8,
    /// How.
    pub compare: Compare,
    /// With what.
    pub value: u64,
}

/// How an argument is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compare {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
    /// Equal in the bits of the mask.
    Masked(u64),
}

/// What holds for one system call: the first rule whose tests all hold, else the default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Tests with their answers.
    pub rules: Vec<(Vec<Test>, Answer)>,
}

/// The decisions for one architecture.
#[derive(Debug)]
pub struct Table {
    /// `AUDIT_ARCH_*` (linux/audit.h).
    pub arch: u32,
    /// System calls above all numbers of this table have another meaning; answered with the default.
    pub calls: BTreeMap<u32, Verdict>,
    /// For every call that is not in `calls`.
    pub default: Answer,
}

impl Profile {
    /// Reads docker's JSON.
    pub fn parse(json: &str) -> Result<Profile, ProfileError> {
        Ok(serde_json::from_str(json)?)
    }
}

/// The column of `data/syscalls.tsv`, `AUDIT_ARCH_*`, and the names that docker and libseccomp have for it.
const MACHINES: &[(&str, usize, u32, &[&str])] = &[
    ("x86_64", 1, 0xc000_003e, &["amd64"]),
    ("x86_64", 2, 0x4000_0003, &["x86"]),
    ("aarch64", 3, 0xc000_00b7, &["arm64"]),
];

/// What the profile says on this machine, one table for each architecture whose programs it can run.
pub fn decide(profile: &Profile, facts: &Facts) -> Result<Vec<Table>, ProfileError> {
    let machine = std::env::consts::ARCH;
    let tables = MACHINES.iter().filter(|(name, ..)| *name == machine).map(|(_, column, arch, docker)| {
        let default = answer(&profile.default_action, profile.default_errno_ret)?;
        let mut calls: BTreeMap<u32, Verdict> = BTreeMap::new();
        for rule in profile.syscalls.iter().filter(|rule| rule.holds(facts, docker)) {
            let said = answer(&rule.action, rule.errno_ret)?;
            let tests = rule.args.iter().flatten().map(test).collect::<Result<Vec<_>, _>>()?;
            for name in rule.names.iter().chain([&rule.name]).filter(|name| !name.is_empty()) {
                // A name that this architecture does not have is none of its calls.
                if let Some(number) = number(name, *column) {
                    calls.entry(number).or_default().rules.push((tests.clone(), said));
                }
            }
        }
        Ok(Table { arch: *arch, calls, default })
    });
    let tables = tables.collect::<Result<Vec<_>, ProfileError>>()?;
    if tables.is_empty() { Err(ProfileError::Machine(machine)) } else { Ok(tables) }
}

/// The rules that hold, in OCI's form (opencontainers/runtime-spec v1.0.2 config-linux.md, seccomp).
pub fn plain(json: &str, facts: &Facts) -> Result<Value, ProfileError> {
    let raw: Value = serde_json::from_str(json)?;
    let docker: Vec<&str> = MACHINES
        .iter()
        .filter(|(name, ..)| *name == std::env::consts::ARCH)
        .flat_map(|(.., docker)| docker.iter().copied())
        .collect();
    let mut rules = Vec::new();
    for raw in raw["syscalls"].as_array().into_iter().flatten() {
        let rule = Rule::deserialize(raw)?;
        if !rule.holds(facts, &docker) {
            continue;
        }
        let names: Vec<&String> = rule.names.iter().chain([&rule.name]).filter(|name| !name.is_empty()).collect();
        let mut out = json!({"names": names, "action": rule.action});
        for key in ["args", "errnoRet"] {
            if !raw[key].is_null() {
                out[key] = raw[key].clone();
            }
        }
        rules.push(out);
    }
    let mut out = json!({"defaultAction": raw["defaultAction"], "architectures": ARCHITECTURES, "syscalls": rules});
    if !raw["defaultErrnoRet"].is_null() {
        out["defaultErrnoRet"] = raw["defaultErrnoRet"].clone();
    }
    Ok(out)
}

/// Libseccomp's names of what this machine's kernel runs.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: &[&str] = &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
/// Libseccomp's names of what this machine's kernel runs.
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: &[&str] = &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

impl Rule {
    fn holds(&self, facts: &Facts, arches: &[&str]) -> bool {
        let named = |list: &Option<Vec<String>>, holds: &dyn Fn(&String) -> bool| {
            list.as_ref().map(|list| list.iter().any(holds))
        };
        let has_cap = |name: &String| facts.capabilities.names().contains(name);
        let has_arch = |name: &String| arches.contains(&name.as_str());
        let all_caps = self.includes.caps.as_ref().is_none_or(|list| list.iter().all(has_cap));
        all_caps
            && named(&self.includes.arches, &has_arch).unwrap_or(true)
            && self.includes.min_kernel.as_deref().and_then(version).is_none_or(|least| facts.kernel >= least)
            && !named(&self.excludes.caps, &has_cap).unwrap_or(false)
            && !named(&self.excludes.arches, &has_arch).unwrap_or(false)
            && self.excludes.min_kernel.as_deref().and_then(version).is_none_or(|least| facts.kernel < least)
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next().unwrap_or("0").parse().ok()?))
}

fn answer(action: &str, errno: Option<u32>) -> Result<Answer, ProfileError> {
    Ok(match action {
        "SCMP_ACT_ALLOW" => ALLOW,
        "SCMP_ACT_ERRNO" => ERRNO | (errno.unwrap_or(libc::EPERM as u32) & 0xffff),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 | (errno.unwrap_or(libc::EPERM as u32) & 0xffff),
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        other => return Err(ProfileError::Action(other.to_string())),
    })
}

fn test(argument: &Argument) -> Result<Test, ProfileError> {
    let (compare, value) = match argument.op.as_str() {
        "SCMP_CMP_EQ" => (Compare::Equal, argument.value),
        "SCMP_CMP_NE" => (Compare::NotEqual, argument.value),
        "SCMP_CMP_LT" => (Compare::Less, argument.value),
        "SCMP_CMP_LE" => (Compare::LessEqual, argument.value),
        "SCMP_CMP_GT" => (Compare::Greater, argument.value),
        "SCMP_CMP_GE" => (Compare::GreaterEqual, argument.value),
        // The first value is the mask, the second what it must leave.
        "SCMP_CMP_MASKED_EQ" => (Compare::Masked(argument.value), argument.value_two),
        other => return Err(ProfileError::Comparison(other.to_string())),
    };
    Ok(Test { index: argument.index.min(5), compare, value })
}

/// The number of a system call, from our table of names.
fn number(name: &str, column: usize) -> Option<u32> {
    use std::sync::LazyLock;
    static TABLE: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| {
        let lines = include_str!("../../data/syscalls.tsv").lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once('\t').map(|(name, _)| (name, line.split('\t').collect()))).collect()
    });
    TABLE.get(name)?.get(column)?.parse().ok()
}
