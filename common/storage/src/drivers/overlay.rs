//! Docker's first overlay driver: an image's layer is a full tree in `root`, a container's has `upper` over the `root`
//! that `lower-id` names; the container's `upper` already holds its init layer's files (moby v1.9.1
//! daemon/graphdriver/overlay/overlay.go).

use hostfs::Root;
use model::{Finding, HostPath, LayerRef};

use super::{Place, bare, is_name, short, text};
use crate::dialect::Dialect;

/// `root` where there is one, else `upper`.
pub fn place(root: &Root, home: HostPath) -> Place {
    let whole = root.is_dir(&home.join("root"));
    let path = home.join(if whole { "root" } else { "upper" });
    Place { path, dialect: Dialect::Overlay { user: false }, whole }
}

/// The layer, and the one below that holds the full tree.
pub fn chain(root: &Root, layers: &[LayerRef], findings: &mut Vec<Finding>) -> Vec<LayerRef> {
    let top = &layers[0];
    let home = top.folder.join(top.id.as_bytes());
    if root.is_dir(&home.join("root")) {
        return vec![top.clone()];
    }
    let link = home.join("lower-id");
    let below = match text(root, &link) {
        Ok(id) if is_name(id.as_bytes()) => {
            layers.iter().find(|layer| *layer.id == *id).cloned().or_else(|| Some(bare(top, &id)))
        }
        said => {
            let why = said.err().map_or("it names what is no layer".into(), |error| error.problem.to_string());
            let detail = format!("{why}; the lower layer is taken from the record instead");
            findings.push(Finding::new("chain-lost", detail).about(format!("layer {}", short(&top.id))).at(link));
            layers[1..].iter().find(|layer| root.is_dir(&layer.folder.join(layer.id.as_bytes()).join("root"))).cloned()
        }
    };
    std::iter::once(top.clone()).chain(below).collect()
}
