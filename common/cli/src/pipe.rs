//! Pipes wide enough for archives.

use std::os::fd::AsFd;

/// The most that the kernel gives an ordinary user by default (`/proc/sys/fs/pipe-max-size`).
const WIDTH: usize = 1 << 20;

/// Makes room for a megabyte in a pipe. With the usual 64 KiB both ends put each other to sleep so often that an archive
/// takes twice as long. What is no pipe, or may not be widened, stays as it is.
pub fn widen(pipe: impl AsFd) {
    if rustix::pipe::fcntl_getpipe_size(&pipe).is_ok_and(|width| width < WIDTH) {
        // Refused where this user's pipes hold very much already: it works all the same.
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, WIDTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_wider_and_a_file_stays_a_file() {
        let (reader, _writer) = std::io::pipe().unwrap();
        widen(&reader);
        assert_eq!(rustix::pipe::fcntl_getpipe_size(&reader).unwrap(), WIDTH);
        widen(tempfile::tempfile().unwrap());
    }
}
