//! Which objects the names mean. Nothing is printed yet.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use cli::Findings;
use cli::format::Template;
use host::{Host, LookupError};
use hostfs::Root;
use model::{Container, HostPath, Image, Network, Volume};
use serde_json::Value;

use crate::args::{Args, Type};

/// Most bytes of a document that is given by itself. A record of docker's has at most some hundred kilobytes; an array
/// that `inspect` printed may be longer.
const DOCUMENT_LIMIT: u64 = 64 << 20;

/// What is asked for, as far as it is there.
pub struct Plan {
    /// The host, where one is needed and can be opened.
    pub host: Option<Host>,
    /// What the names mean, in their order.
    pub found: Vec<Found>,
    /// What was met on the way.
    pub findings: Findings,
    /// Docker's words for names that mean nothing.
    pub missing: Vec<String>,
    /// What each object is printed through.
    pub template: Option<Template>,
}

/// What a name means.
pub enum Found {
    /// A container.
    Container(Box<Container>),
    /// An image.
    Image(Box<Image>),
    /// A volume.
    Volume(Box<Volume>),
    /// A network.
    Network(Box<Network>),
    /// A plugin, as it is shown.
    Plugin(Value),
    /// The bytes of a document.
    Document(Vec<u8>),
}

impl Plan {
    /// Reads stdin where asked, opens the host, and looks each name up.
    pub fn new(args: &Args) -> anyhow::Result<Plan> {
        let template = template(args)?;
        let mut plan = Plan { host: None, found: Vec::new(), findings: Findings::new(), missing: Vec::new(), template };
        let mut names = Vec::new();
        for name in &args.names {
            match name.as_str() {
                "-" => plan.stdin(&mut names)?,
                name => names.push(name.to_string()),
            }
        }
        let opened = if names.is_empty() && !args.host { None } else { Some(Host::open(&args.root.path())) };
        let failure = match opened {
            Some(Ok(mut host)) => {
                plan.findings.extend(host.take_findings());
                plan.host = Some(host);
                None
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let mut all_documents = true;
        for name in names {
            all_documents &= plan.look_up(&name, args.r#type)?;
        }
        match failure {
            // Whoever brought the documents needs no host.
            Some(error) if args.host || !all_documents => Err(error.into()),
            _ => Ok(plan),
        }
    }

    /// Takes stdin: a document where it begins like one, else names, one a line.
    fn stdin(&mut self, names: &mut Vec<String>) -> anyhow::Result<()> {
        let mut raw = Vec::new();
        std::io::stdin().lock().take(DOCUMENT_LIMIT + 1).read_to_end(&mut raw).context("cannot read stdin")?;
        anyhow::ensure!(raw.len() as u64 <= DOCUMENT_LIMIT, "stdin holds more than {DOCUMENT_LIMIT} bytes");
        match raw.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[') => self.found.push(Found::Document(raw)),
            _ => names.extend(
                String::from_utf8_lossy(&raw).lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from),
            ),
        }
        Ok(())
    }

    /// Looks one name up; objects go before files. Whether it was a document.
    fn look_up(&mut self, name: &str, only: Option<Type>) -> anyhow::Result<bool> {
        for kind in Type::ALL.into_iter().filter(|kind| only.is_none_or(|only| only == *kind)) {
            match self.object(name, kind) {
                None => break,
                Some(Ok(found)) => {
                    self.found.push(found);
                    return Ok(false);
                }
                Some(Err(error @ (LookupError::Ambiguous(_) | LookupError::Damaged { .. }))) => {
                    self.missing.push(format!("Error: {error}"));
                    return Ok(false);
                }
                Some(Err(_)) => {}
            }
        }
        if only.is_none()
            && let Some(raw) = document(Path::new(name))?
        {
            self.found.push(Found::Document(raw));
            return Ok(true);
        }
        // What is wrong with some record may be why the name is not found.
        if let Some(host) = &self.host
            && matches!(only, None | Some(Type::Container))
        {
            self.findings.extend(host.containers().1);
        }
        let word = only.map_or("object", Type::word);
        self.missing.push(format!("Error: No such {word}: {name}"));
        Ok(false)
    }

    fn object(&mut self, name: &str, kind: Type) -> Option<Result<Found, LookupError>> {
        let host = self.host.as_ref()?;
        let findings = &mut self.findings;
        Some(match kind {
            Type::Container => host.container(name).map(|found| Found::Container(Box::new(findings.take(found)))),
            Type::Image => host.image(name).map(|found| Found::Image(Box::new(findings.take(found)))),
            Type::Network => host.network(name).map(|found| Found::Network(Box::new(findings.take(found)))),
            Type::Volume => host.volume(name).map(|found| Found::Volume(Box::new(findings.take(found)))),
            Type::Plugin => host.plugin(name).map(|found| Found::Plugin(findings.take(found))),
        })
    }
}

/// `json` and nothing mean JSON; anything else is a template.
fn template(args: &Args) -> anyhow::Result<Option<Template>> {
    match args.format.as_deref() {
        None | Some("" | "json") => Ok(None),
        Some(source) => Ok(Some(Template::parse(source)?)),
    }
}

/// The bytes of a file of the person's own; `None` where there is none of that name.
fn document(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(name) = path.file_name() else { return Ok(None) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(root) = Root::open(folder) else { return Ok(None) };
    match root.read(&HostPath::new(name.as_encoded_bytes()), DOCUMENT_LIMIT) {
        Ok(raw) => Ok(Some(raw)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) if matches!(error.problem, hostfs::Problem::NotFile(_)) && root.is_dir(&error.path) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
