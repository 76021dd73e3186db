//! Docker 0.6 and before, in aufs' form: images in `graph/<id>/layer`, the mount points of every container in
//! `graph/_tmp/_dockerinit`, a container's own files in `containers/<id>/rw` (moby v0.6.4 graph.go, image.go, container.go).

use hostfs::Root;
use model::{HostPath, LayerRef};

use super::Place;
use crate::dialect::Dialect;

/// `layer`, `rw`, or the folder itself, whichever is there.
pub fn place(root: &Root, layer: &LayerRef, home: HostPath) -> Place {
    let path = if &*layer.id == "_dockerinit" {
        home
    } else {
        let (layer, own) = (home.join("layer"), home.join("rw"));
        if root.is_dir(&own) && !root.is_dir(&layer) { own } else { layer }
    };
    Place { path, dialect: Dialect::Aufs, whole: false }
}
