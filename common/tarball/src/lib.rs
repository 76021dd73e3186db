//! Tar and compression as formats: records, headers, tar-split.
