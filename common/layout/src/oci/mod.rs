//! OCI image configs and manifests, as several stores keep them (docs/layouts/oci.md): docker since 1.10, containerd,
//! containers/storage.

pub(crate) mod config;
pub(crate) mod spec;
