//! The small init of `--init`: a program of its own, built with this crate and carried in it.
//!
//! It is also the launcher's last step in every container, started or joined: see `program.rs`.
//!
//! It starts the container's program as a child, passes signals on to it, reaps what is left behind, and ends with the
//! program's status. It has no library, so it runs in every root, and it is a file of its own, so nothing inside can reach
//! ours through `/proc/1/exe`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Its name in the launcher's folder.
pub const NAME: &str = "docker-init";

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/docker-init"));

/// Writes it into a folder, for mounting.
pub fn write(folder: &Path) -> io::Result<()> {
    let path = folder.join(NAME);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)?.write_all(PROGRAM)
}

/// The same program as a file that has no name and that nobody can write, closed by execve.
pub fn sealed() -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let plain = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag, and need none.
    let file = memfd_create(NAME, plain | MemfdFlags::EXEC).or_else(|_| memfd_create(NAME, plain))?;
    let mut file = std::fs::File::from(file);
    file.write_all(PROGRAM)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}
