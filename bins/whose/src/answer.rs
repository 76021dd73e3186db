//! An answer: whose, why, and the path in its three ways.

use cli::Row;
use cli::format::Column;
use host::Host;
use model::path::shown;
use model::{Container, HostPath, Image, Volume};

/// The usual table.
pub const USUAL: &str = "{{.Name}}\t{{.Kind}}\t{{.Owner}}\t{{.ID}}\t{{.Why}}\t{{.Inside}}";

/// What stands above the columns.
pub const HEADERS: &[Column] = &[
    ("Name", "NAME"),
    ("Kind", "KIND"),
    ("Owner", "OWNER"),
    ("ID", "ID"),
    ("Why", "WHY"),
    ("Inside", "PATH INSIDE"),
    ("Recorded", "PATH AS RECORDED"),
    ("Evidence", "PATH IN THE EVIDENCE"),
    ("FullID", "FULL ID"),
    ("Store", "STORE"),
];

/// An object that something can belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// `container`, `image` or `volume`.
    pub kind: &'static str,
    /// Its first name; empty where it has none.
    pub name: String,
    /// Its id; a volume's name.
    pub id: String,
    /// Which store it is in.
    pub store: usize,
}

/// Whose something is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The object.
    pub owner: Owner,
    /// What of the object it is: `layer`, `records`, `log`, `IP address`, …
    pub why: String,
    /// The path inside of the container or image, where it has one.
    pub inside: Option<Vec<u8>>,
    /// Where it lies in the evidence, where it is a path.
    pub evidence: Option<HostPath>,
    /// The path on the old host, where it is known otherwise than by the store's.
    pub recorded: Option<Vec<u8>>,
}

impl From<&Container> for Owner {
    fn from(it: &Container) -> Owner {
        let name = it.names.first().cloned().unwrap_or_default();
        Owner { kind: "container", name, id: it.id.as_str().into(), store: it.store }
    }
}

impl From<&Image> for Owner {
    fn from(it: &Image) -> Owner {
        let name = it.tags.first().cloned().unwrap_or_default();
        Owner { kind: "image", name, id: it.id.as_str().into(), store: it.store }
    }
}

impl From<&Volume> for Owner {
    fn from(it: &Volume) -> Owner {
        Owner { kind: "volume", name: it.name.clone(), id: it.name.clone(), store: it.store }
    }
}

impl Answer {
    /// An answer without a path.
    pub fn plain(owner: Owner, why: impl Into<String>) -> Answer {
        Answer { owner, why: why.into(), inside: None, evidence: None, recorded: None }
    }

    /// The row for the name that was asked.
    pub fn row(&self, host: &Host, asked: &str) -> Row {
        let store = host.store(self.owner.store);
        let text = |path: &Option<Vec<u8>>| path.as_ref().map(|path| shown(path).into_owned());
        let short = if self.owner.kind == "volume" { &self.owner.id } else { storage::drivers::short(&self.owner.id) };
        Row::new([
            ("Name", shown(asked.as_bytes()).into_owned().into()),
            ("Kind", self.owner.kind.into()),
            ("Owner", self.owner.name.as_str().into()),
            ("ID", short.into()),
            ("FullID", self.owner.id.as_str().into()),
            ("Why", self.why.as_str().into()),
            ("Inside", text(&self.inside).unwrap_or_default().into()),
            ("Recorded", self.recorded(host).map(|path| shown(&path).into_owned()).unwrap_or_default().into()),
            ("Evidence", self.evidence.as_ref().map(ToString::to_string).unwrap_or_default().into()),
            ("Store", store.to_string().into()),
        ])
    }

    /// The path as the old host had it.
    fn recorded(&self, host: &Host) -> Option<Vec<u8>> {
        if self.recorded.is_some() {
            return self.recorded.clone();
        }
        let store = host.store(self.owner.store);
        let path = self.evidence.as_ref()?.as_bytes();
        let rest = path.strip_prefix(store.home.as_bytes())?;
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        (!store.recorded.is_empty()).then(|| [&store.recorded, b"/".as_slice(), rest].concat())
    }
}
