//! The iptables programs, for rules that only count in tables which they own.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Whether the chain has the rule.
pub(crate) fn has(program: &str, rule: &[String]) -> bool {
    quiet(program).args(["-w", "-C"]).args(rule).status().is_ok_and(|status| status.success())
}

/// Puts rules at the top of their chains, all or none.
pub(crate) fn insert(program: &str, rules: &[Vec<String>]) -> io::Result<()> {
    let lines: String = rules.iter().map(|rule| format!("-I {}\n", rule.join(" "))).collect();
    let mut command = Command::new(format!("{program}-restore"));
    let mut child = command.args(["--noflush", "-w"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("no stdin"))?;
    stdin.write_all(format!("*filter\n{lines}COMMIT\n").as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// Removes a rule, as often as it is there.
pub(crate) fn remove(program: &str, rule: &[String]) {
    while quiet(program).args(["-w", "-D"]).args(rule).status().is_ok_and(|status| status.success()) {}
}

/// Whether the old backend has a forward chain that drops. It is asked only where this namespace uses it.
pub(crate) fn legacy_drops(name: &str) -> bool {
    let file = if name == "iptables" { "ip_tables_names" } else { "ip6_tables_names" };
    let tables = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    if !tables.lines().any(|table| table == "filter") {
        return false;
    }
    let output = Command::new(format!("{name}-legacy")).args(["-w", "-S", "FORWARD"]).output();
    output.is_ok_and(|output| output.stdout.starts_with(b"-P FORWARD DROP"))
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
