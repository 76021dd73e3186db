//! Docker 1.10 to 29 with a graph driver: `image/<driver>`, content-addressed; `containers/<id>/config.v2.json`.

use hostfs::Root;
use model::{Container, HostPath, Image, LogForm, LogPlace, Network, Rootfs, Store, Volume};
use serde_json::Value;

use crate::{Found, HistoryEntry, LayoutError, Object};

pub(crate) fn detect(_root: &Root, _home: &HostPath) -> Found<Vec<Store>> {
    Default::default()
}

pub(crate) fn containers(_root: &Root, _stores: &[Store], _index: usize) -> Found<Vec<Container>> {
    Default::default()
}

pub(crate) fn container(_root: &Root, _stores: &[Store], _index: usize, _prefix: &str) -> Found<Vec<Container>> {
    Default::default()
}

pub(crate) fn images(_root: &Root, _stores: &[Store], _index: usize) -> Found<Vec<Image>> {
    Default::default()
}

pub(crate) fn volumes(_root: &Root, _stores: &[Store], _index: usize) -> Found<Vec<Volume>> {
    Default::default()
}

pub(crate) fn networks(_root: &Root, _stores: &[Store], _index: usize) -> Found<Vec<Network>> {
    Default::default()
}

pub(crate) fn rootfs(_root: &Root, _store: &Store, _container: &Container) -> Result<Found<Rootfs>, LayoutError> {
    Ok(Default::default())
}

pub(crate) fn image_rootfs(_root: &Root, _store: &Store, image: &Image) -> Result<Found<Rootfs>, LayoutError> {
    Ok((Rootfs { layers: image.layers.clone(), ..Rootfs::default() }, Vec::new()))
}

pub(crate) fn log_place(_root: &Root, _store: &Store, _container: &Container) -> Found<LogPlace> {
    (LogPlace { driver: "json-file".into(), file: None, form: LogForm::JsonFile, terminal: false }, Vec::new())
}

pub(crate) fn history(_root: &Root, _store: &Store, _image: &Image) -> Found<Vec<HistoryEntry>> {
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

pub(crate) fn raw_records(_root: &Root, _stores: &[Store], _object: Object) -> Vec<HostPath> {
    Vec::new()
}
