//! Docker before 1.10: one folder an image in `graph/`, tags in `repositories` or `repositories-<driver>`, containers in
//! `containers/<id>/config.json`. Up to 0.6 the layers' files lie in `graph/` too, from 0.7 on with a driver.

pub(crate) mod detect;
pub(crate) mod linkgraph;
pub(crate) mod read;
pub(crate) mod records;
pub(crate) mod runtime;

use hostfs::Root;
use model::{Container, HostPath, Store};

use crate::docker::links::Links;
use crate::docker::{folders, volumes};
use crate::{Found, Object};

/// The containers of a store, newest first, with the names that links give them.
pub(crate) fn containers(root: &Root, stores: &[Store], index: usize) -> Found<Vec<Container>> {
    let (mut list, mut findings) = folders::read_all(root, stores, index, Links::Left);
    if !list.is_empty() {
        findings.extend(linkgraph::name(root, &stores[index], &mut list));
    }
    (list, findings)
}

/// `linkgraph.db` of a store.
pub(crate) fn link_database(store: &Store) -> HostPath {
    store.home.join("linkgraph.db")
}

/// The files that hold what is recorded of an object, the main one first.
pub(crate) fn raw_records(root: &Root, stores: &[Store], object: Object) -> Vec<HostPath> {
    match object {
        Object::Container(it) => read::container_records(root, &stores[it.store], it),
        Object::Image(it) => read::image_records(root, &stores[it.store], it),
        Object::Volume(it) => volumes::records(root, &stores[it.store], it),
        Object::Network(it) => vec![it.record.clone()],
    }
}
