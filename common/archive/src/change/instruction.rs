//! What each instruction does to the config.

use super::{ChangeError, expand, words};
use crate::config::{Config, Empty, Healthcheck, Words};

/// A config on its way through a list of instructions.
pub struct State<'c> {
    config: &'c mut Config,
    /// Whether an instruction set the command: ENTRYPOINT forgets one that it finds.
    command_set: bool,
}

impl<'c> State<'c> {
    /// Begins with `config` as it is.
    pub fn new(config: &'c mut Config) -> State<'c> {
        State { config, command_set: false }
    }

    /// Takes one instruction, its name in lower case.
    pub fn instruction(&mut self, name: &str, rest: &str) -> Result<(), ChangeError> {
        match name {
            "cmd" => self.cmd(rest),
            "entrypoint" => self.entrypoint(rest),
            "env" => self.env(rest),
            "expose" => self.expose(rest),
            "healthcheck" => self.healthcheck(rest),
            "label" => self.label(rest),
            "onbuild" => self.onbuild(rest),
            "stopsignal" => self.stopsignal(rest),
            "user" => self.one("USER", rest).map(|user| self.config.user = user),
            "volume" => self.volume(rest),
            "workdir" => self.workdir(rest),
            other => Err(ChangeError::new(format!("{other} is not a valid change command"))),
        }
    }

    fn cmd(&mut self, rest: &str) -> Result<(), ChangeError> {
        self.config.cmd = Words(Some(self.command(rest)?));
        self.command_set = true;
        Ok(())
    }

    fn entrypoint(&mut self, rest: &str) -> Result<(), ChangeError> {
        let words = if rest.is_empty() { Vec::new() } else { self.command(rest)? };
        self.config.entrypoint = Words((!words.is_empty()).then_some(words));
        if !self.command_set {
            self.config.cmd = Words(None);
        }
        Ok(())
    }

    /// A JSON list as it is, else the shell with the text as it stands.
    fn command(&self, rest: &str) -> Result<Vec<String>, ChangeError> {
        if let Some(list) = words::json(rest)? {
            return Ok(list);
        }
        let shell = self.config.shell.0.clone().unwrap_or_else(|| ["/bin/sh", "-c"].map(String::from).to_vec());
        Ok(shell.into_iter().chain((!rest.is_empty()).then(|| rest.to_string())).collect())
    }

    fn env(&mut self, rest: &str) -> Result<(), ChangeError> {
        // All values see the variables as they were before this instruction.
        let before = self.config.env.clone().unwrap_or_default();
        let env = self.config.env.get_or_insert_default();
        for (name, value) in words::pairs("ENV", rest)? {
            if name.is_empty() {
                return Err(ChangeError::new("ENV names can not be blank"));
            }
            let (name, value) = (expand::word(&name, &before)?, expand::word(&value, &before)?);
            let entry = format!("{name}={value}");
            match env.iter_mut().find(|old| old.split_once('=').is_some_and(|(key, _)| key == name)) {
                Some(old) => *old = entry,
                None => env.push(entry),
            }
        }
        Ok(())
    }

    fn label(&mut self, rest: &str) -> Result<(), ChangeError> {
        for (name, value) in words::pairs("LABEL", rest)? {
            if name.is_empty() {
                return Err(ChangeError::new("LABEL names can not be blank"));
            }
            let (name, value) = (self.expand(&name)?, self.expand(&value)?);
            self.config.labels.get_or_insert_default().insert(name, value);
        }
        Ok(())
    }

    fn expose(&mut self, rest: &str) -> Result<(), ChangeError> {
        let specs: Vec<&str> = rest.split_whitespace().collect();
        if specs.is_empty() {
            return Err(ChangeError::new("EXPOSE requires at least one argument"));
        }
        for spec in specs {
            let ports = ports(&self.expand(spec)?)?;
            self.config.exposed_ports.get_or_insert_default().extend(ports.into_iter().map(|port| (port, Empty {})));
        }
        Ok(())
    }

    fn healthcheck(&mut self, rest: &str) -> Result<(), ChangeError> {
        let mut check = Healthcheck::default();
        let mut rest = rest;
        while let Some(flag) = rest.split_whitespace().next().filter(|word| word.starts_with("--")) {
            health_flag(&mut check, flag)?;
            rest = rest[flag.len()..].trim_start();
        }
        let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let command = command.trim();
        check.test = Some(match kind.to_uppercase().as_str() {
            "" => return Err(ChangeError::new("HEALTHCHECK requires at least one argument")),
            "NONE" if command.is_empty() => vec!["NONE".to_string()],
            "NONE" => return Err(ChangeError::new("HEALTHCHECK NONE takes no arguments")),
            "CMD" if command.is_empty() => return Err(ChangeError::new("Missing command after HEALTHCHECK CMD")),
            "CMD" => match words::json(command)? {
                Some(list) => std::iter::once("CMD".to_string()).chain(list).collect(),
                None => vec!["CMD-SHELL".to_string(), command.to_string()],
            },
            other => return Err(ChangeError::new(format!("Unknown type {other:?} in HEALTHCHECK (try CMD)"))),
        });
        self.config.healthcheck = Some(check);
        Ok(())
    }

    fn onbuild(&mut self, rest: &str) -> Result<(), ChangeError> {
        let trigger = rest.split_whitespace().next().unwrap_or_default().to_uppercase();
        match trigger.as_str() {
            "" => Err(ChangeError::new("ONBUILD requires at least one argument")),
            "ONBUILD" => Err(ChangeError::new("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
            "FROM" | "MAINTAINER" => Err(ChangeError::new(format!("{trigger} isn't allowed as an ONBUILD trigger"))),
            _ => {
                self.config.on_build.get_or_insert_default().push(rest.to_string());
                Ok(())
            }
        }
    }

    fn stopsignal(&mut self, rest: &str) -> Result<(), ChangeError> {
        let signal = self.one("STOPSIGNAL", rest)?;
        if !is_signal(&signal) {
            return Err(ChangeError::new(format!("Invalid signal: {signal}")));
        }
        self.config.stop_signal = signal;
        Ok(())
    }

    fn volume(&mut self, rest: &str) -> Result<(), ChangeError> {
        let volumes = match words::json(rest)? {
            Some(list) => list,
            None => rest.split_whitespace().map(str::to_string).collect(),
        };
        if volumes.is_empty() {
            return Err(ChangeError::new("VOLUME requires at least one argument"));
        }
        for volume in volumes {
            let volume = self.expand(&volume)?.trim().to_string();
            if volume.is_empty() {
                return Err(ChangeError::new("VOLUME specified can not be an empty string"));
            }
            self.config.volumes.get_or_insert_default().insert(volume, Empty {});
        }
        Ok(())
    }

    fn workdir(&mut self, rest: &str) -> Result<(), ChangeError> {
        let folder = self.one("WORKDIR", rest)?;
        self.config.working_dir =
            if folder.starts_with('/') { folder } else { joined(&self.config.working_dir, &folder) };
        Ok(())
    }

    /// The whole rest as one word.
    fn one(&self, instruction: &str, rest: &str) -> Result<String, ChangeError> {
        if rest.is_empty() {
            return Err(ChangeError::new(format!("{instruction} requires exactly one argument")));
        }
        self.expand(rest)
    }

    fn expand(&self, word: &str) -> Result<String, ChangeError> {
        expand::word(word, self.config.env.as_deref().unwrap_or_default())
    }
}

/// `folder` below `current`, cleaned as Go's `filepath.Join` does.
fn joined(current: &str, folder: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in current.split('/').chain(folder.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The ports of one word: `80`, `80/udp`, `8000-8010`, what stands before a colon left out.
fn ports(spec: &str) -> Result<Vec<String>, ChangeError> {
    let (ports, protocol) = spec.split_once('/').unwrap_or((spec, "tcp"));
    let protocol = protocol.to_lowercase();
    let ports = ports.rsplit(':').next().unwrap_or(ports);
    let wrong = || ChangeError::new(format!("Invalid containerPort: {ports}"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if last < first {
        return Err(wrong());
    }
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(ChangeError::new(format!("Invalid proto: {protocol}")));
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn health_flag(check: &mut Healthcheck, flag: &str) -> Result<(), ChangeError> {
    let (name, value) = flag[2..].split_once('=').unwrap_or((&flag[2..], ""));
    match name {
        "interval" => check.interval = duration(name, value)?,
        "timeout" => check.timeout = duration(name, value)?,
        "start-period" => check.start_period = duration(name, value)?,
        "retries" => {
            let n: i64 = value
                .parse()
                .map_err(|_| ChangeError::new(format!("strconv.ParseInt: parsing {value:?}: invalid syntax")))?;
            if n < 1 {
                return Err(ChangeError::new(format!("--retries must be at least 1 (not {n})")));
            }
            check.retries = n;
        }
        other => return Err(ChangeError::new(format!("Unknown flag: {other}"))),
    }
    Ok(())
}

/// A span of time as Go reads it (`1m30s`, `1.5h`), in nanoseconds.
fn duration(name: &str, text: &str) -> Result<i64, ChangeError> {
    let invalid = || ChangeError::new(format!("time: invalid duration {text:?}"));
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |n| digits + n);
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        let unit = match &rest[digits..unit_end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(invalid()),
        };
        nanos += number * unit;
        rest = &rest[unit_end..];
    }
    if text.is_empty() || nanos > i64::MAX as f64 {
        return Err(invalid());
    }
    if nanos < 1e6 {
        return Err(ChangeError::new(format!("Interval {name:?} cannot be less than 1ms")));
    }
    Ok(nanos as i64)
}

/// Whether it is a number above zero or a signal of Linux, with or without `SIG`.
fn is_signal(text: &str) -> bool {
    const NAMES: [&str; 35] = [
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
        "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
        "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
    ];
    if let Ok(number) = text.parse::<i32>() {
        return number > 0;
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |start: &str, most: u32| {
        name.strip_prefix(start).and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| (1..=most).contains(&n))
    };
    NAMES.contains(&name) || name == "RTMAX" || real_time("RTMIN+", 15) || real_time("RTMAX-", 14)
}
