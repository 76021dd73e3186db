//! Plans against what a real dockerd makes, rule for rule, after each of its commands.
#![allow(dead_code)] // each test takes what it needs

pub mod chance;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::engine::{Dockerd, docker_28, is_here};

use crate::lab;

/// A docker that plans are compared with.
pub struct Judge {
    /// Its word for `--as`.
    pub version: &'static str,
    /// By which its programs are run, where they are not the machine's own.
    pub enter: Option<PathBuf>,
}

impl Judge {
    /// Debian stable's docker 20.10; `None` where it is not here.
    pub fn installed() -> Option<Judge> {
        is_here("dockerd").then_some(Judge { version: "20.10", enter: None })
    }

    /// Debian sid's docker 28.
    pub fn docker_28() -> Option<Judge> {
        docker_28().map(|enter| Judge { version: "28", enter: Some(enter) })
    }

    /// A daemon with these flags besides.
    pub fn start(&self, root: &Path, flags: &[&str]) -> Dockerd {
        Dockerd::of(self.enter.as_deref(), root, &[&["-s", "vfs"], flags].concat())
    }

    /// Starts a daemon with the flags and compares after each line of commands: docker's own, `daemon again`, and `clean`,
    /// after which there is nothing but what the daemon makes by itself.
    pub fn check(&self, flags: &str, commands: &str) {
        self.check_after("", flags, commands);
    }

    /// The same where commands of the host's own came first.
    pub fn check_after(&self, before: &str, flags: &str, commands: &str) {
        lab::alone();
        before.lines().for_each(|line| _ = lab::run(line.trim()));
        let dir = tempfile::tempdir().unwrap();
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let root = dir.path().join("root");
        let mut daemon = self.start(&root, &flags);
        let tar = lab::image(dir.path());
        daemon.docker(&["import", "-c", "CMD [\"/bin/sleep\", \"100\"]", tar.to_str().unwrap(), "i"]);
        for line in commands.lines().map(str::trim) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[0] {
                "daemon" => {
                    drop(daemon);
                    daemon = self.start(&root, &flags);
                }
                "clean" => clean(&daemon),
                "run" => done(&daemon, &[&["run", "-d", "--stop-signal", "KILL"], &words[1..], &["i"]].concat()),
                _ => done(&daemon, &words),
            };
            self.compare(&daemon, &flags, dir.path(), line);
        }
    }

    /// A bridge that the host made itself as the default network, and a gateway beyond it.
    pub fn check_own_bridge(&self) {
        self.check_after(
            "ip link add br9 type bridge
            ip addr add 10.7.0.1/24 dev br9
            ip link set br9 up",
            "--bridge=br9 --default-gateway=10.7.0.254 --mtu=1400 --icc=false",
            "run --name aa -p 80:80 --expose 70
            run --name ba --link aa:db -p 127.0.0.1::81/udp
            network create na
            run --name ca --network na -p 82:80
            network connect na ba",
        );
    }

    fn compare(&self, daemon: &Dockerd, flags: &[&str], dir: &Path, line: &str) {
        let objects = dir.join("inspect.json");
        fs::write(&objects, inspect(daemon)).unwrap();
        let plan_flags: Vec<&str> = flags.iter().copied().filter(|flag| *flag != "--experimental").collect();
        for (format, save) in [("iptables-restore", "iptables-save"), ("ip6tables-restore", "ip6tables-save")] {
            let real = daemon.program(save).output().unwrap();
            let real = String::from_utf8(real.stdout).unwrap();
            let (mut plan, mut real) = (chains(&self.planned(format, &plan_flags, &objects)), chains(&real));
            let same: Vec<String> = plan
                .iter()
                .filter(|(name, rules)| real.get(*name) == Some(rules))
                .map(|(name, _)| name.clone())
                .collect();
            same.iter().for_each(|name| _ = (plan.remove(name), real.remove(name)));
            assert_eq!(plan, real, "{save} after: {line}");
        }
    }

    fn planned(&self, format: &str, flags: &[&str], objects: &Path) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_net"));
        command.args(["plan", "--as", self.version, "--format", format]).args(flags).arg(objects);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Removes what was made so far.
fn clean(daemon: &Dockerd) {
    let containers = daemon.docker(&["ps", "-aq"]);
    let all: Vec<&str> = containers.lines().collect();
    daemon.docker(&[&["rm", "-f"][..], &all].concat());
    daemon.docker(&["network", "prune", "-f"]);
}

/// What docker refuses leaves no rules that its inspect does not tell of.
fn done(daemon: &Dockerd, words: &[&str]) {
    let output = daemon.command(words).output().unwrap();
    if !output.status.success() {
        eprintln!("docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Rules by table and chain, the parts of a rule in an order of their own; empty chains of docker's too.
fn chains(save: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut table = "";
    let mut chains: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for line in save.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some((chain, rule)) = line.strip_prefix("-A ").and_then(|rest| rest.split_once(' ')) {
            chains.entry(format!("{table} {chain}")).or_default().push(parts(rule));
        } else if let Some(name) = line.strip_prefix(':').and_then(|rest| rest.split(' ').next())
            && name.starts_with("DOCKER")
        {
            chains.entry(format!("{table} {name}")).or_default();
        }
    }
    chains
}

/// `! -i docker0`, `-p tcp`, …, sorted.
fn parts(rule: &str) -> Vec<String> {
    let marked = format!(" {rule}").replace(" -", "\0-").replace(" !\0-", "\0! -");
    let mut parts: Vec<String> = marked.split('\0').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    parts.sort();
    parts
}

/// What docker says of everything that it has, as its inspect prints it.
pub fn inspect(daemon: &Dockerd) -> String {
    let listed = |path: &str| {
        let all: Vec<serde_json::Value> = serde_json::from_str(&daemon.answer(path)).unwrap();
        all.iter().map(|one| one["Id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let containers = listed("/containers/json?all=1").into_iter().map(|id| format!("/containers/{id}/json"));
    let networks = listed("/networks").into_iter().map(|id| format!("/networks/{id}"));
    containers.chain(networks).map(|path| daemon.answer(&path)).collect()
}
