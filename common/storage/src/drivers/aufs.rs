//! aufs: a layer's files in `diff/<id>`, its ancestors in `layers/<id>`, nearest first (moby v1.2.0
//! daemon/graphdriver/aufs/{aufs,dirs}.go).

use hostfs::{Problem, Root};
use model::{Finding, HostPath, LayerRef};

use super::{Place, agreed, is_name, short, text};
use crate::dialect::Dialect;

/// `diff/<id>`. After a migration from docker 0.6 that was cut short it may be a link to `graph/<id>/layer`.
pub fn place(root: &Root, layer: &LayerRef, home: HostPath) -> Place {
    let path = migrated(root, layer, &home).unwrap_or(home);
    Place { path, dialect: Dialect::Aufs, whole: false }
}

fn migrated(root: &Root, layer: &LayerRef, home: &HostPath) -> Option<HostPath> {
    let target = root.read_link(home).ok()?;
    let graph = HostPath::new("graph").join(layer.id.as_bytes()).join("layer");
    target.ends_with(graph.as_bytes()).then(|| layer.folder.parent().parent().join(graph.as_bytes()))
}

/// The layers that `layers/<id>` names; those of the record where it is lost.
pub fn chain(root: &Root, layers: &[LayerRef], findings: &mut Vec<Finding>) -> Vec<LayerRef> {
    let top = &layers[0];
    let list = top.folder.parent().join("layers").join(top.id.as_bytes());
    match text(root, &list) {
        Ok(text) => {
            let ids: Vec<Box<str>> = text.lines().filter(|id| !id.is_empty()).map(Into::into).collect();
            if ids.iter().all(|id| is_name(id.as_bytes())) {
                return agreed(layers, &ids, &list, findings);
            }
            findings.push(lost(top, &list, "it names what is no layer"));
        }
        Err(error) if matches!(error.problem, Problem::Missing) && layers.len() == 1 => {}
        Err(error) => findings.push(lost(top, &list, &error.problem.to_string())),
    }
    layers.to_vec()
}

fn lost(top: &LayerRef, list: &HostPath, why: &str) -> Finding {
    let detail = format!("{why}; the layers are taken from the record instead");
    Finding::new("chain-lost", detail).about(format!("layer {}", short(&top.id))).at(list.clone())
}
