//! Images, the layers that they name, and the stack of layers that makes a filesystem.

use crate::{Digest, Driver, HostPath, Id, IdMap, Timestamp};

/// An image as a store records it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The id that the engine shows: the config's digest, or the manifest's with the containerd store, or a v1 id.
    pub id: Id,
    /// Which of the root's stores it is in: index into what detection returned.
    pub store: usize,
    /// Names with tags as docker shows them (`busybox:latest`, `host:5000/team/app:1`), sorted.
    pub tags: Vec<String>,
    /// Names with digests (`busybox@sha256:…`), sorted.
    pub digests: Vec<String>,
    /// The image that it was built or committed on, where that is recorded.
    pub parent: Option<Id>,
    /// When it was made; `None` where not recorded.
    pub created: Option<Timestamp>,
    /// Bytes of all its layers, where recorded.
    pub size: Option<u64>,
    /// The config, as the very bytes on disk: `sha256(config)` is the id in content-addressed stores. For a v1 image,
    /// its `json`. Empty where it could not be read.
    pub config: Box<[u8]>,
    /// Where the config lies.
    pub record: HostPath,
    /// The manifest's very bytes, where the store keeps them.
    pub manifest: Option<Box<[u8]>>,
    /// The layers, top first. Layers without files of their own are left out, as in `rootfs.diff_ids`.
    pub layers: Vec<LayerRef>,
}

/// Names one layer of a store, so that a driver can open it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerRef {
    /// How its files lie.
    pub driver: Driver,
    /// The driver's own id: docker's `cache-id` or `mount-id`, a v1 image id, a snapshot's number, a storage layer id.
    pub id: Box<str>,
    /// The folder of the driver in the evidence: `overlay2`, `vfs/dir`, `…/snapshots`.
    pub folder: HostPath,
    /// Digest of the layer's uncompressed tar, where recorded.
    pub diff_id: Option<Digest>,
    /// Digest over this and all lower diff ids, where recorded.
    pub chain_id: Option<Digest>,
    /// The tar-split that gives the layer's tar back byte for byte, where kept.
    pub tar_split: Option<HostPath>,
    /// The layer's tar itself (perhaps compressed) in a content store, where kept.
    pub blob: Option<HostPath>,
    /// Bytes, where recorded.
    pub size: Option<u64>,
}

impl LayerRef {
    /// A layer of which no more is known than where its files lie.
    pub fn new(driver: Driver, id: &str, folder: HostPath) -> LayerRef {
        LayerRef {
            driver,
            id: id.into(),
            folder,
            diff_id: None,
            chain_id: None,
            tar_split: None,
            blob: None,
            size: None,
        }
    }
}

/// A stack of layers that makes one filesystem.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rootfs {
    /// Top first. For a container: its own layer, the init layer where there is one, then the image's.
    pub layers: Vec<LayerRef>,
    /// How many of `layers`, from the top, belong to the container itself: 0 for an image, 1, or 2 with an init layer.
    pub own: usize,
    /// How owners on disk map to owners inside.
    pub ids: IdMap,
    /// Whether overlay marks are `user.overlay.*` (rootless) instead of `trusted.overlay.*`.
    pub user_xattrs: bool,
}
