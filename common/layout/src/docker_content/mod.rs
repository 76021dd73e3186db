//! Docker 1.10 to 29 with a graph driver: `image/<driver>`, content-addressed; `containers/<id>/config.v2.json`.


pub(crate) mod detect;
pub(crate) mod read;
pub(crate) mod records;
pub mod write;

use hostfs::Root;
use model::{Container, HostPath, Image, Store};
use serde_json::Value;

use crate::docker::volumes;
use crate::{Found, Object};

pub(crate) fn inspect_container(_root: &Root, _stores: &[Store], _container: &Container) -> Found<Value> {
    Default::default()
}

pub(crate) fn inspect_image(_root: &Root, _stores: &[Store], _image: &Image) -> Found<Value> {
    Default::default()
}

pub(crate) fn raw_records(root: &Root, stores: &[Store], object: Object) -> Vec<HostPath> {
    match object {
        Object::Container(it) => read::container_records(root, &stores[it.store], it),
        Object::Image(it) => read::image_records(root, &stores[it.store], it),
        Object::Volume(it) => volumes::records(root, &stores[it.store], it),
        Object::Network(it) => vec![it.record.clone()],
    }
}
