//! The JSON documents that name an archive's images: docker's `manifest.json` and `repositories`, OCI's index and
//! manifest. What dockless does not need is skipped while parsing and takes no memory.
//!
//! Sources: moby v29.7.2 `daemon/internal/image/tarexport/tarexport.go` (`manifestItem`), moby v1.2.0 `graph/export.go`,
//! OCI image-spec v1.1 `image-index.md`, `manifest.md`, `image-layout.md`.

use std::collections::BTreeMap;

use std::marker::PhantomData;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The layers that one image may have: docker's own limit (moby v20.10.24 `layer/layer.go`, `maxLayerDepth`).
pub const MAX_LAYERS: usize = 125;
/// The images that one archive may have.
pub const MAX_IMAGES: usize = 2000;

/// A list of at most `N`; a longer one is an error while parsing, before it takes memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct AtMost<T, const N: usize>(pub Vec<T>);

impl<T, const N: usize> Default for AtMost<T, N> {
    fn default() -> AtMost<T, N> {
        AtMost(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AtMost<T, N>, D::Error> {
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

struct Items<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
    type Value = AtMost<T, N>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "a list of at most {N}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AtMost<T, N>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == N {
                return Err(A::Error::custom(format!("more than {N} in one list")));
            }
            list.push(item);
        }
        Ok(AtMost(list))
    }
}

/// One image of `manifest.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerItem {
    /// The member that holds the config.
    pub config: String,
    /// Names with tags.
    pub repo_tags: Option<Vec<String>>,
    /// The members that hold the layers' tars, lowest first.
    pub layers: Option<AtMost<String, MAX_LAYERS>>,
    /// The id of the image that it was built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// `repositories`: the ids of v1 images by repository and tag.
pub type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// An OCI index, or docker's manifest list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// The media type.
    pub media_type: Option<String>,
    /// Manifests, and further indexes.
    #[serde(default)]
    pub manifests: AtMost<Descriptor, MAX_IMAGES>,
}

/// An OCI image manifest, or docker's of schema 2.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// The media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default)]
    pub layers: AtMost<Descriptor, MAX_LAYERS>,
}

/// Names a blob.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Remarks, names among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What machine it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// What machine an image is for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Platform {
    /// Go's word for the machine.
    #[serde(default)]
    pub architecture: String,
    /// Go's word for the system.
    #[serde(default)]
    pub os: String,
    /// Which of that machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// What is needed of an image's config.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Go's word for the machine.
    pub architecture: Option<String>,
    /// Go's word for the system.
    pub os: Option<String>,
    /// The layers.
    pub rootfs: Option<RootFs>,
}

/// The layers of a config.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RootFs {
    /// Digests of the uncompressed tars, lowest first.
    pub diff_ids: Option<AtMost<String, MAX_LAYERS>>,
}

impl Descriptor {
    /// Whether it names an index or a manifest list, not an image.
    pub fn is_index(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
    }

    /// Whether it is about another image (provenance, a bill of materials), not one itself (BuildKit's attestations).
    pub fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest")
    }

    /// The name that it gives an image: containerd's full one, else OCI's, which is a name or a tag alone.
    pub fn name(&self) -> Option<&str> {
        ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
            .into_iter()
            .find_map(|key| self.annotations.get(key).map(String::as_str).filter(|name| !name.is_empty()))
    }
}
