//! The last step: the working directory, and the program itself, with docker's exit status where it cannot run.

use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::fs::{self, Mode};
use rustix::io::Errno;

use super::{Refusal, Step};
use crate::spec::{Process, c_text};
use crate::sys;

/// Makes the working directory with all above it where missing, as docker does, while still root.
pub fn make_working_directory(process: &Process) -> Result<(), Refusal> {
    let mut made = std::path::PathBuf::from("/");
    for part in process.cwd.iter().skip(1) {
        made.push(part);
        match fs::mkdir(&made, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST | Errno::ROFS) => {}
            Err(errno) => {
                return Err(errno).step(&format!("cannot make the working directory '{}'", process.cwd.display()));
            }
        }
    }
    Ok(())
}

/// Enters the working directory as the user. A directory that the root does not reach is refused: it would lead out.
pub fn enter_working_directory(process: &Process) -> Result<(), Refusal> {
    let step = format!("cannot enter the working directory '{}'", process.cwd.display());
    rustix::process::chdir(&process.cwd).step(&step)?;
    let now = rustix::process::getcwd(Vec::new()).step(&step)?;
    if now.to_bytes().starts_with(b"/") {
        Ok(())
    } else {
        Err(Refusal::setup(step, "it lies outside of the container"))
    }
}

/// Becomes the program. Returns only where that failed.
pub fn run(process: &Process) -> Refusal {
    let program = process.args.first().map_or("", String::as_str);
    if let Err(error) = sys::close_on_exec_from_three() {
        return Refusal::setup("cannot close the launcher's files", error);
    }
    let lists =
        process.args.iter().map(|text| c_text(text)).collect::<Result<Vec<CString>, _>>().and_then(|args| {
            Ok((args, process.env.iter().map(|text| c_text(text)).collect::<Result<Vec<CString>, _>>()?))
        });
    let Ok((args, env)) = lists else {
        return Refusal::exec(127, program, "an argument or variable holds a zero byte");
    };
    let path = match find(program, &process.env) {
        Ok(path) => path,
        Err(refusal) => return refusal,
    };
    let Ok(c_path) = c_text(&path) else { return Refusal::exec(127, program, "its path holds a zero byte") };
    cannot(program, &path, &sys::execve(&c_path, &args, &env))
}

/// Where the program is: as it says when it holds a slash, else the first in PATH that may be run.
fn find(program: &str, env: &[String]) -> Result<String, Refusal> {
    if program.contains('/') {
        return Ok(program.to_string());
    }
    let path = env.iter().rev().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or("");
    let is_directory = |mode: u32| fs::FileType::from_raw_mode(mode) == fs::FileType::Directory;
    for folder in path.split(':') {
        let candidate = format!("{}/{program}", if folder.is_empty() { "." } else { folder });
        // Go's exec.LookPath says the same for a file that nobody may run and for none at all.
        if fs::stat(&candidate).is_ok_and(|stat| !is_directory(stat.st_mode) && stat.st_mode & 0o111 != 0) {
            return Ok(candidate);
        }
    }
    Err(Refusal::exec(127, program, "executable file not found in $PATH"))
}

/// Docker's exit status and words by what execve said; a script whose interpreter is missing is told apart.
fn cannot(program: &str, path: &str, error: &io::Error) -> Refusal {
    let is_directory = Path::new(path).is_dir();
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) if fs::access(path, fs::Access::EXISTS).is_ok() => Refusal::exec(
            127,
            program,
            format!("no such file or directory: '{path}' is there, its interpreter or loader is not"),
        ),
        Some(Errno::NOENT | Errno::NOTDIR) => {
            Refusal::exec(127, program, format!("stat {program}: no such file or directory"))
        }
        Some(Errno::ACCESS) if is_directory => Refusal::exec(126, program, "is a directory: permission denied"),
        Some(Errno::NOEXEC) => Refusal::exec(126, program, "exec format error"),
        _ => Refusal::exec(126, program, super::in_words(error)),
    }
}
