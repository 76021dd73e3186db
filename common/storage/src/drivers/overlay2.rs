//! Docker's overlay2 and fuse-overlayfs, and containers/storage's overlay: files in `<id>/diff`, the lower layers in
//! `<id>/lower` as `l/<link>`, nearest first, each a link to `../<id>/diff`; `<id>/link` holds that short name too
//! (moby v20.10.24 daemon/graphdriver/{overlay2,fuse-overlayfs}, containers/storage v1.43 drivers/overlay/overlay.go).

use std::collections::HashMap;

use hostfs::{Problem, Root};
use model::{Finding, HostPath, LayerRef};

use super::{Place, agreed, is_name, short, text};
use crate::dialect::Dialect;

/// `<id>/diff`.
pub fn place(home: HostPath, dialect: Dialect) -> Place {
    Place { path: home.join("diff"), dialect, whole: false }
}

/// containers/storage says in a file whether fuse-overlayfs makes its mounts (drivers/overlay/overlay.go,
/// `.has-mount-program`: `true` or `false`).
pub fn dialect(root: &Root, layer: &LayerRef, user: bool) -> Dialect {
    let said = root.read(&layer.folder.join(".has-mount-program"), 64);
    if said.is_ok_and(|said| said.trim_ascii() == b"true") { Dialect::Fuse { user } } else { Dialect::Overlay { user } }
}

/// The layers that `lower` names; those of the record where it is lost or leads astray.
pub fn chain(root: &Root, layers: &[LayerRef], findings: &mut Vec<Finding>) -> Vec<LayerRef> {
    let top = &layers[0];
    let lower = top.folder.join(top.id.as_bytes()).join("lower");
    let about = |finding: Finding| finding.about(format!("layer {}", short(&top.id))).at(lower.clone());
    let fallen =
        |why: &str| about(Finding::new("chain-lost", format!("{why}; the layers are taken from the record instead")));
    match text(root, &lower) {
        Ok(text) => {
            let mut links = Links { root, folder: &top.folder, rebuilt: None };
            match text.split(':').map(|part| links.resolve(part)).collect::<Result<Vec<_>, _>>() {
                Ok(ids) => {
                    if links.rebuilt.is_some() {
                        let detail = "links of 'l' are lost; found again by each layer's own 'link'";
                        findings.push(about(Finding::new("links-lost", detail)));
                    }
                    return agreed(layers, &ids, &lower, findings);
                }
                Err(why) => findings.push(fallen(&why)),
            }
        }
        Err(error) if matches!(error.problem, Problem::Missing) && layers.len() == 1 => {}
        Err(error) => findings.push(fallen(&error.problem.to_string())),
    }
    layers.to_vec()
}

/// The short names of a driver's folder.
struct Links<'a> {
    root: &'a Root,
    folder: &'a HostPath,
    rebuilt: Option<HashMap<String, Box<str>>>,
}

impl Links<'_> {
    /// The id behind one part of `lower`: `l/<link>`, or `<id>/diff`, which the kernel takes as well.
    fn resolve(&mut self, part: &str) -> Result<Box<str>, String> {
        match part.split_once('/') {
            Some(("l", link)) if is_name(link.as_bytes()) => self.follow(link),
            Some((id, "diff")) if is_name(id.as_bytes()) => Ok(id.into()),
            _ => Err(format!("it names '{part}', which is no layer")),
        }
    }

    fn follow(&mut self, link: &str) -> Result<Box<str>, String> {
        let path = self.folder.join("l").join(link);
        match self.root.read_link(&path) {
            Ok(target) => id_of(&target).ok_or_else(|| format!("'{path}' leads elsewhere than to a layer")),
            Err(_) => {
                let rebuilt = self.rebuilt.get_or_insert_with(|| rebuild(self.root, self.folder));
                rebuilt.get(link).cloned().ok_or_else(|| format!("it names '{link}', which no layer has"))
            }
        }
    }
}

/// The id in `../<id>/diff`.
fn id_of(target: &[u8]) -> Option<Box<str>> {
    let id = target.strip_prefix(b"../")?.strip_suffix(b"/diff")?;
    if !is_name(id) {
        return None;
    }
    std::str::from_utf8(id).ok().map(Into::into)
}

/// Short name to id, from every layer's `link`.
fn rebuild(root: &Root, folder: &HostPath) -> HashMap<String, Box<str>> {
    let names = root.open_dir(folder).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    let ids = names.iter().filter_map(|entry| std::str::from_utf8(&entry.name).ok());
    ids.filter_map(|id| Some((text(root, &folder.join(id).join("link")).ok()?, id.into()))).collect()
}
