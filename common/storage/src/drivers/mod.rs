//! Where the files of a layer lie, one file a driver; and the stack of folders that makes a filesystem.

mod aufs;
mod devicemapper;
mod graph;
mod overlay;
mod overlay2;
mod snapshot;
mod whole;

use hostfs::{Dir, Problem, ReadError, Root};
use model::{Driver, Finding, HostPath, LayerRef, Rootfs};

use crate::dialect::Dialect;
use crate::error::StorageError;
use crate::lost::{self, Lost};

/// Where one layer's files lie and how they are to be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The folder that stands for the layer's `/`.
    pub path: HostPath,
    /// How it marks what is gone.
    pub dialect: Dialect,
    /// Whether it holds the full tree, so that nothing below it shows.
    pub whole: bool,
}

/// One open folder of a stack.
pub struct Branch {
    /// Where it lies.
    pub path: HostPath,
    /// How it marks what is gone.
    pub dialect: Dialect,
    /// The folder itself.
    pub dir: Dir,
    /// Marks that are no longer on disk.
    pub lost: Option<Lost>,
}

/// More layers than any driver stacks (containers/storage: 500), so that a damaged record cannot open files without end.
const MOST_LAYERS: usize = 512;

/// Opens the folders that make the filesystem of `rootfs`, top first. Lower ones that are missing are findings.
pub fn stack(root: &Root, rootfs: &Rootfs) -> Result<(Vec<Branch>, Vec<Finding>), StorageError> {
    let mut findings = Vec::new();
    let mut branches = Vec::new();
    for layer in chain(root, &rootfs.layers, &mut findings)?.iter().take(MOST_LAYERS) {
        match branch(root, layer, rootfs.user_xattrs) {
            Ok((mut branch, whole)) => {
                branch.lost = lost::of(root, layer, &branch, &mut findings);
                branches.push(branch);
                if whole {
                    break;
                }
            }
            Err(error) if branches.is_empty() => return Err(error),
            Err(error) => findings.push(missing(layer, &error)),
        }
    }
    lost::doubts(root, &branches, &mut findings);
    if branches.is_empty() { Err(StorageError::Empty) } else { Ok((branches, findings)) }
}

/// Opens the files of one layer; with it, whether they are the full tree.
pub fn branch(root: &Root, layer: &LayerRef, user_xattrs: bool) -> Result<(Branch, bool), StorageError> {
    let Place { path, dialect, whole } = place(root, layer, user_xattrs)?;
    let dir = match layer.driver {
        Driver::Devicemapper => devicemapper::open(root, layer)?,
        _ => open(root, layer, &path)?,
    };
    Ok((Branch { path, dialect, dir, lost: None }, whole))
}

/// Where the files of one layer lie, by its driver.
pub fn place(root: &Root, layer: &LayerRef, user_xattrs: bool) -> Result<Place, StorageError> {
    let home = folder(layer)?;
    match layer.driver {
        Driver::Aufs => Ok(aufs::place(root, layer, home)),
        Driver::Btrfs | Driver::NativeSnapshot | Driver::Vfs => Ok(whole::place(home)),
        Driver::FuseOverlayfs => Ok(overlay2::place(home, Dialect::Fuse { user: user_xattrs })),
        Driver::Graph => Ok(graph::place(root, layer, home)),
        Driver::Overlay => Ok(overlay::place(root, home)),
        Driver::Overlay2 => Ok(overlay2::place(home, overlay2::dialect(root, layer, user_xattrs))),
        Driver::OverlayfsSnapshot => Ok(snapshot::place(home, user_xattrs)),
        Driver::Devicemapper => Ok(devicemapper::place(layer)),
        Driver::Zfs => Err(elsewhere(
            layer,
            "its datasets lie in the pool, outside of the data root: import the pool \
            read-only, mount the dataset of that layer's id, and copy it",
        )),
        Driver::Windowsfilter => {
            Err(elsewhere(layer, "Windows layers are NTFS disks (sandbox.vhdx) and registry hives"))
        }
        Driver::Other(_) => Err(elsewhere(layer, "no driver of that name is known here")),
    }
}

/// The layers whose folders make the filesystem of the first one, by the driver's own files where it keeps any.
fn chain(root: &Root, layers: &[LayerRef], findings: &mut Vec<Finding>) -> Result<Vec<LayerRef>, StorageError> {
    let top = layers.first().ok_or(StorageError::Empty)?;
    folder(top)?;
    Ok(match top.driver {
        Driver::Aufs => aufs::chain(root, layers, findings),
        Driver::FuseOverlayfs | Driver::Overlay2 => overlay2::chain(root, layers, findings),
        Driver::Overlay => overlay::chain(root, layers, findings),
        _ => layers.to_vec(),
    })
}

/// The folder of a layer's own id.
fn folder(layer: &LayerRef) -> Result<HostPath, StorageError> {
    if !is_name(layer.id.as_bytes()) {
        return Err(StorageError::Id { id: layer.id.clone() });
    }
    Ok(layer.folder.join(layer.id.as_bytes()))
}

fn open(root: &Root, layer: &LayerRef, path: &HostPath) -> Result<Dir, StorageError> {
    root.open_dir(path).map_err(|source| StorageError::Layer { id: layer.id.clone(), source })
}

fn missing(layer: &LayerRef, error: &StorageError) -> Finding {
    let code = match error {
        StorageError::Layer { source: ReadError { problem: Problem::Missing, .. }, .. } => "layer-missing",
        _ => "layer-unreadable",
    };
    let why = std::error::Error::source(error).map(|source| match source.source() {
        Some(problem) => format!("{source}: {problem}"),
        None => source.to_string(),
    });
    let finding =
        Finding::new(code, format!("{}; what it holds is left out", why.unwrap_or_else(|| error.to_string())));
    finding.about(format!("layer {}", short(&layer.id))).at(layer.folder.join(layer.id.as_bytes()))
}

fn elsewhere(layer: &LayerRef, why: &str) -> StorageError {
    StorageError::Driver { driver: layer.driver.clone(), why: why.into() }
}

/// Whether bytes are one name of a folder.
fn is_name(id: &[u8]) -> bool {
    !id.is_empty() && id != b"." && id != b".." && !id.contains(&b'/') && !id.contains(&0)
}

/// The first twelve characters of an id.
pub fn short(id: &str) -> &str {
    id.char_indices().nth(12).map_or(id, |(end, _)| &id[..end])
}

/// The layers of the record under the ids that the driver's own files name. Where both speak and disagree the driver's
/// files count, since the mount was made from them.
fn agreed(layers: &[LayerRef], ids: &[Box<str>], source: &HostPath, findings: &mut Vec<Finding>) -> Vec<LayerRef> {
    let recorded = &layers[1..];
    if !recorded.is_empty() && !recorded.iter().map(|layer| &layer.id).eq(ids) {
        let detail = format!(
            "it names {} lower layers, the record {} or others; the driver's own count",
            ids.len(),
            recorded.len()
        );
        findings.push(
            Finding::new("chain-differs", detail).about(format!("layer {}", short(&layers[0].id))).at(source.clone()),
        );
    }
    let named = ids.iter().map(|id| match recorded.iter().find(|layer| layer.id == *id) {
        Some(layer) => layer.clone(),
        None => bare(&layers[0], id),
    });
    std::iter::once(layers[0].clone()).chain(named).collect()
}

/// A layer beside `top` of which nothing but the id is known.
fn bare(top: &LayerRef, id: &str) -> LayerRef {
    LayerRef {
        driver: top.driver.clone(),
        id: id.into(),
        folder: top.folder.clone(),
        diff_id: None,
        chain_id: None,
        tar_split: None,
        blob: None,
        size: None,
    }
}

/// Text of the driver's own files: short, one value or a few.
fn text(root: &Root, path: &HostPath) -> Result<String, ReadError> {
    const LIMIT: u64 = 64 * 1024;
    let raw = root.read(path, LIMIT)?;
    Ok(String::from_utf8_lossy(&raw).trim_end().to_string())
}
