//! The last step: the working directory, and the program itself, with docker's exit status where it cannot run.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
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

/// Becomes the program, by way of `helper`, our own small one: what the image has a program's name lead to must not be the
/// launcher, and `/proc/self/exe` leads to whatever runs. Returns only where that failed; what the helper meets it says on
/// `say` itself.
pub fn run(process: &Process, helper: &OwnedFd, say: BorrowedFd) -> Refusal {
    let program = process.args.first().map_or("", String::as_str);
    let ready =
        sys::close_on_exec_from_three().and_then(|()| Ok(rustix::io::fcntl_setfd(say, rustix::io::FdFlags::empty())?));
    if let Err(error) = ready {
        return Refusal::setup("cannot close the launcher's files", error);
    }
    let path = match find(program, &process.env) {
        Ok(path) => path,
        Err(refusal) => return refusal,
    };
    let facts = Facts::of(&path).to_string();
    let words = ["exec".to_string(), say.as_raw_fd().to_string(), facts, path];
    let texts =
        |list: &mut dyn Iterator<Item = &String>| list.map(|text| c_text(text)).collect::<Result<Vec<CString>, _>>();
    let (Ok(args), Ok(env)) = (texts(&mut words.iter().chain(&process.args)), texts(&mut process.env.iter())) else {
        return Refusal::exec(127, program, "an argument or variable holds a zero byte");
    };
    let own = format!("/proc/self/fd/{}", helper.as_raw_fd());
    let error = c_text(&own).map_or_else(|_| io::ErrorKind::InvalidInput.into(), |own| sys::execve(&own, &args, &env));
    Refusal::setup("cannot take the last step", super::in_words(&error))
}

/// What is known of a program's file before it is tried, as one digit.
struct Facts {
    exists: bool,
    is_directory: bool,
}

impl Facts {
    fn of(path: &str) -> Facts {
        Facts { exists: fs::access(path, fs::Access::EXISTS).is_ok(), is_directory: Path::new(path).is_dir() }
    }

    fn parse(digit: u8) -> Facts {
        Facts { exists: digit & 1 != 0, is_directory: digit & 2 != 0 }
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", u8::from(self.exists) + 2 * u8::from(self.is_directory))
    }
}

/// What the helper says begins with this.
const MARK: u8 = 254;

/// What the pipe told of `program`: the helper's word, or the launcher's own.
pub fn heard(said: &[u8], program: &str) -> Refusal {
    match said {
        [MARK, errno, facts] => cannot(program, &Facts::parse(*facts), Errno::from_raw_os_error((*errno).into())),
        _ => Refusal::read(said),
    }
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
fn cannot(program: &str, facts: &Facts, errno: Errno) -> Refusal {
    match errno {
        Errno::NOENT if facts.exists => Refusal::exec(
            127,
            program,
            format!("no such file or directory: '{program}' is there, its interpreter or loader is not"),
        ),
        Errno::NOENT => Refusal::exec(127, program, format!("stat {program}: no such file or directory")),
        // Docker's client tells 126 and 127 from the texts of other errors, and has 125 for this one.
        Errno::NOTDIR => Refusal::setup(format!("exec: \"{program}\""), format!("stat {program}: not a directory")),
        Errno::ACCESS if facts.is_directory => Refusal::exec(126, program, "is a directory: permission denied"),
        Errno::NOEXEC => Refusal::exec(126, program, "exec format error"),
        _ => Refusal::exec(126, program, super::in_words(&errno.into())),
    }
}
