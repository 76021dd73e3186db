//! Docker 1.10 to 29 with a graph driver: `image/<driver>`, content-addressed; `containers/<id>/config.v2.json`.


pub(crate) mod detect;
pub(crate) mod read;
pub(crate) mod records;

use hostfs::Root;
use model::{Container, HostPath, Image, Network, Store, Volume};
use serde_json::Value;

use crate::{Found, Object};

pub(crate) fn volumes(_root: &Root, _stores: &[Store], _index: usize) -> Found<Vec<Volume>> {
    Default::default()
}

pub(crate) fn networks(_root: &Root, _stores: &[Store], _index: usize) -> Found<Vec<Network>> {
    Default::default()
}

pub(crate) fn inspect_container(_root: &Root, _stores: &[Store], _container: &Container) -> Found<Value> {
    Default::default()
}

pub(crate) fn inspect_image(_root: &Root, _stores: &[Store], _image: &Image) -> Found<Value> {
    Default::default()
}

pub(crate) fn inspect_volume(_root: &Root, _stores: &[Store], _volume: &Volume) -> Found<Value> {
    Default::default()
}

pub(crate) fn inspect_network(_root: &Root, _stores: &[Store], _network: &Network) -> Found<Value> {
    Default::default()
}

pub(crate) fn raw_records(root: &Root, stores: &[Store], object: Object) -> Vec<HostPath> {
    match object {
        Object::Container(it) => read::container_records(root, &stores[it.store], it),
        Object::Image(it) => read::image_records(root, &stores[it.store], it),
        Object::Volume(_) | Object::Network(_) => Vec::new(),
    }
}
