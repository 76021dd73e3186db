//! Docker 1.10 to 29 with a graph driver: `image/<driver>`, content-addressed; `containers/<id>/config.v2.json`.

pub(crate) mod detect;
pub(crate) mod read;
pub(crate) mod records;
pub mod write;

use hostfs::Root;
use model::{HostPath, Store};

use crate::Object;
use crate::docker::volumes;

/// The files that hold what is recorded of an object, the main one first.
pub(crate) fn raw_records(root: &Root, stores: &[Store], object: Object) -> Vec<HostPath> {
    match object {
        Object::Container(it) => read::container_records(root, &stores[it.store], it),
        Object::Image(it) => read::image_records(root, &stores[it.store], it),
        Object::Volume(it) => volumes::records(root, &stores[it.store], it),
        Object::Network(it) => vec![it.record.clone()],
    }
}
