//! Images in a file: docker-archive of every age, OCI layout, plain rootfs.
