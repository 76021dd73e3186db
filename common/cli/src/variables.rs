//! Variables and labels as they are typed: in files, one a line, and one by one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Those of files, then those typed. A bare name takes this program's own value; without one it says nothing in a file
/// (docker/cli v28 pkg/kvfile/kvfile.go), and stays bare where it was typed.
pub fn read(files: &[PathBuf], typed: &[String]) -> Result<Vec<String>> {
    let own = |name: &str| std::env::var(name).ok().map(|value| format!("{name}={value}"));
    let mut all: Vec<String> =
        lines(files)?.into_iter().filter_map(|line| if line.contains('=') { Some(line) } else { own(&line) }).collect();
    for text in typed {
        if text.is_empty() || text.starts_with('=') {
            bail!("invalid argument \"{text}\" for \"-e, --env\" flag: invalid environment variable: {text}");
        }
        let bare = !text.contains('=');
        all.push(own(text).filter(|_| bare).unwrap_or_else(|| text.clone()));
    }
    Ok(all)
}

/// Those of files that have a value: a bare name is no label (docker/cli v28 opts/parse.go ReadKVStrings).
pub fn pairs(files: &[PathBuf]) -> Result<Vec<String>> {
    Ok(lines(files)?.into_iter().filter(|line| line.contains('=')).collect())
}

/// The lines of `--env-file` and `--label-file`: empty ones and comments are none (docker/cli v28 pkg/kvfile/kvfile.go).
fn lines(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read '{}'", file.display()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            check(line, file)?;
            all.push(line.to_string());
        }
    }
    Ok(all)
}

fn check(line: &str, file: &Path) -> Result<()> {
    let name = line.split('=').next().unwrap_or_default();
    if name.is_empty() {
        bail!("invalid environment file ({}): no variable name on line '{line}'", file.display());
    }
    if name.contains(char::is_whitespace) {
        bail!("poorly formatted environment: variable '{name}' contains whitespaces");
    }
    Ok(())
}
