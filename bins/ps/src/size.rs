//! How much room a container's own layer takes, and its image.

use cli::{Findings, human};
use host::Host;
use model::{Container, Image};

/// Bytes that a container wrote, and bytes of its image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// In its own layer: files' sizes, a file with several names once.
    pub written: u64,
    /// In its image's layers, where recorded.
    pub image: Option<u64>,
}

impl Size {
    /// Docker's words: `5B (virtual 8.99MB)`.
    pub fn shown(self) -> String {
        match self.image {
            Some(image) if image + self.written > 0 => {
                format!("{} (virtual {})", human::size(self.written), human::size(image + self.written))
            }
            _ => human::size(self.written),
        }
    }
}

/// The size of a container; `None` where its files cannot be read, which is a finding.
pub fn of(host: &Host, container: &Container, images: &[Image], findings: &mut Findings) -> Option<Size> {
    let image =
        images.iter().find(|image| image.store == container.store && Some(&image.id) == container.image_id.as_ref());
    match written(host, container, findings) {
        Ok(written) => Some(Size { written, image: image.and_then(|image| image.size) }),
        Err(error) => {
            let subject = format!("container {}", container.id.short());
            findings.add(model::Finding::new("files-unreadable", cli::message::causes(error.as_ref())).about(subject));
            None
        }
    }
}

fn written(host: &Host, container: &Container, findings: &mut Findings) -> anyhow::Result<u64> {
    let rootfs = findings.take(host.rootfs(container)?);
    Ok(findings.take(storage::written(host.root(), &rootfs)?))
}
