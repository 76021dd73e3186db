//! What is meant: checked before anything is written.

use std::path::{Path, PathBuf};

use anyhow::bail;
use archive::change;
use archive::config::{Config, Created, Words};
use model::{EntryPath, Reference, Timestamp};

use crate::args::Args;
use crate::input::{self, Input};
use crate::rules::Rules;
use crate::tree::Platform;

/// What will be done.
pub struct Plan {
    /// The input, opened.
    pub input: Input,
    /// The image's name.
    pub name: Option<Reference>,
    /// What its containers get.
    pub config: Config,
    /// Whether a command was asked for.
    pub comment: String,
    /// The platform, where it was named.
    pub platform: Option<Platform>,
    /// When it was made.
    pub created: Timestamp,
    /// What is left out.
    pub rules: Rules,
    /// The data root.
    pub root: PathBuf,
    /// What was typed.
    pub args: Args,
}

impl Plan {
    /// Checks what was typed and opens the input.
    pub fn new(args: Args) -> anyhow::Result<Plan> {
        let name = name(&args)?;
        let platform = args.platform.as_deref().map(platform).transpose()?;
        let mut config = Config::default();
        if args.host {
            host_defaults(&mut config);
        }
        change::apply(&mut config, &args.change)?;
        let created = created()?;
        let root = args.root.path();
        let input = input::open(&args.source)?;
        let roots = match &input {
            Input::Directory(top) => below(top.path(), &root).into_iter().collect(),
            Input::Tar(_) => below(Path::new("/"), &root).into_iter().collect(),
        };
        let rules = Rules::new(&args.exclude, args.host, roots);
        Ok(Plan { comment: comment(&args), input, name, config, platform, created, rules, root, args })
    }
}

/// docker's checks, and its words (moby v20.10.24 `daemon/images/image_import.go`); the third argument is 0.x's.
fn name(args: &Args) -> anyhow::Result<Option<Reference>> {
    let Some(name) = args.name.as_deref().filter(|name| !name.is_empty()) else { return Ok(None) };
    let text = match &args.tag {
        Some(tag) => {
            cli::note("'URL REPOSITORY TAG' is docker 0.x's; REPOSITORY:TAG is today's");
            format!("{name}:{tag}")
        }
        None => name.to_string(),
    };
    let reference = Reference::parse(&text)?;
    if reference.digest().is_some() {
        bail!("cannot import digest reference");
    }
    Ok(Some(reference.or_latest()))
}

/// docker's comment: `-` for a file too, since its client passes that on as stdin.
fn comment(args: &Args) -> String {
    let source = args.source.to_string_lossy();
    let is_url = source.starts_with("http://") || source.starts_with("https://");
    let source = if is_url { source.as_ref() } else { "-" };
    args.message.clone().unwrap_or_else(|| format!("Imported from {source}"))
}

fn platform(text: &str) -> anyhow::Result<Platform> {
    let parts: Vec<&str> = text.split('/').collect();
    let known = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    if !(1..=3).contains(&parts.len()) || !parts.iter().all(known) {
        bail!("'{}' is no platform: linux/arm64, say, is expected", model::path::shown(text.as_bytes()));
    }
    // A word alone is the system where it is one, else the machine (containerd's platforms.Parse).
    let (os, architecture) = match parts.as_slice() {
        [os @ ("linux" | "windows" | "freebsd" | "darwin")] => (*os, archive::catalogue::this_machine().architecture),
        [architecture] => ("linux", (*architecture).to_string()),
        _ => (parts[0], parts[1].to_string()),
    };
    let architecture = match architecture.as_str() {
        "x86_64" | "x86-64" => "amd64".to_string(),
        "aarch64" => "arm64".to_string(),
        _ => architecture,
    };
    Ok(Platform { os: os.to_string(), architecture, variant: parts.get(2).copied().unwrap_or_default().to_string() })
}

/// `SOURCE_DATE_EPOCH` (reproducible-builds.org), else now.
fn created() -> anyhow::Result<Timestamp> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(seconds) => Ok(Timestamp::new(seconds, 0)),
            Err(_) => bail!("SOURCE_DATE_EPOCH is '{}', not a number of seconds", model::path::shown(text.as_bytes())),
        },
        _ => Ok(cli::human::now()),
    }
}

/// What a host's container needs to start a shell; a change may say otherwise.
fn host_defaults(config: &mut Config) {
    config.env = Some(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string()]);
    config.cmd = Words(None);
}

/// Where `path` lies below `top`; `None` where it does not.
fn below(top: &Path, path: &Path) -> Option<EntryPath> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::fs::canonicalize(path).ok()?;
    let rest = path.strip_prefix(std::fs::canonicalize(top).ok()?).ok()?;
    EntryPath::parse(rest.as_os_str().as_bytes()).ok().filter(|path| !path.is_root())
}

/// The date as docker writes it.
pub fn date(time: Timestamp) -> Created {
    Created::from(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read_as_containerd_does() {
        for (text, os, architecture, variant) in [
            ("linux/arm64", "linux", "arm64", ""),
            ("linux/arm/v7", "linux", "arm", "v7"),
            ("arm64", "linux", "arm64", ""),
            ("linux/x86_64", "linux", "amd64", ""),
        ] {
            let parsed = platform(text).unwrap();
            assert_eq!(
                (parsed.os.as_str(), parsed.architecture.as_str(), parsed.variant.as_str()),
                (os, architecture, variant)
            );
        }
        for bad in ["", "/", "a/b/c/d", "linux/ä"] {
            assert!(platform(bad).is_err(), "{bad}");
        }
    }
}
