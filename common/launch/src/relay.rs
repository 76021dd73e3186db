//! Between a container and whoever attends it: copies its streams, passes signals on, waits for its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Our ends of a container's streams.
pub enum Ends {
    /// Pipes.
    Plain {
        /// To its standard input; `None` where nobody writes.
        stdin: Option<OwnedFd>,
        /// From its standard output.
        stdout: Option<OwnedFd>,
        /// From its standard error.
        stderr: Option<OwnedFd>,
    },
    /// The terminal's other end, which is all three.
    Terminal(OwnedFd),
}

/// How a relay behaves towards the person.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether this program's own standard input goes to the container.
    pub input: bool,
    /// Whether the container's output goes to this program's own.
    pub output: bool,
    /// Whether signals are passed on.
    pub signals: bool,
}

/// Signals kept from their default meaning and read from a handle. Made before the container is started, so that none
/// is lost in between.
pub struct Signals(SignalFd);

impl Signals {
    /// Takes all signals that docker passes on to a container (docker/cli v28 cli/command/container/signals.go): not
    /// CHLD, PIPE and URG, and what nobody can take.
    pub fn take() -> io::Result<Signals> {
        let mut set = SigSet::all();
        for left in [
            Signal::SIGCHLD,
            Signal::SIGPIPE,
            Signal::SIGURG,
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGABRT,
        ] {
            set.remove(left);
        }
        set.thread_block()?;
        Ok(Signals(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The next one that came.
    pub fn next(&self) -> Option<i32> {
        self.0.read_signal().ok().flatten().map(|info| info.ssi_signo as i32)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Copies until the container's first process has ended and its output is drained. Returns docker's exit status.
pub fn attend(handle: &OwnedFd, mut ends: Ends, manner: Manner, signals: &Signals) -> io::Result<u8> {
    let ended = attend_until_left(handle, &mut ends, manner, signals, &mut |typed| (typed.to_vec(), false))?;
    Ok(ended.unwrap_or(UNSEEN))
}

/// As [`attend`], for somebody who may leave: `typed` takes what is typed at a terminal, and returns what goes on, and whether that was
/// the wish to leave. Returns `None` then.
pub fn attend_until_left(
    handle: &OwnedFd,
    ends: &mut Ends,
    manner: Manner,
    signals: &Signals,
    typed: &mut dyn FnMut(&[u8]) -> (Vec<u8>, bool),
) -> io::Result<Option<u8>> {
    let mut buffer = vec![0u8; 64 * 1024];
    let mut input = manner.input;
    let mut ended = false;
    if let Ends::Terminal(terminal) = &*ends {
        fit(terminal);
    }
    while !ended {
        let ready = wait(handle, ends, input, signals)?;
        if ready.signal {
            while let Some(number) = signals.next() {
                match (&*ends, number) {
                    (Ends::Terminal(terminal), libc::SIGWINCH) => fit(terminal),
                    _ if manner.signals => pass(handle, number),
                    _ => {}
                }
            }
        }
        if ready.input {
            input = match forward(ends, &mut buffer, typed)? {
                Forwarded::More => true,
                Forwarded::End => false,
                Forwarded::Left => return Ok(None),
            };
        }
        drain(ends, ready.output, manner, &mut buffer)?;
        ended = ready.end;
    }
    // What it wrote before it ended is still in the pipes; what its children hold open is not waited for.
    while drain(ends, [true, true], manner, &mut buffer)? {}
    exit_status(handle).map(Some)
}

struct Ready {
    end: bool,
    signal: bool,
    input: bool,
    output: [bool; 2],
}

fn wait(handle: &OwnedFd, ends: &Ends, input: bool, signals: &Signals) -> io::Result<Ready> {
    let stdin = rustix::stdio::stdin();
    let (out, err) = match ends {
        Ends::Plain { stdout, stderr, .. } => (stdout.as_ref(), stderr.as_ref()),
        Ends::Terminal(terminal) => (Some(terminal), None),
    };
    let mut places = vec![(handle.as_fd(), 0), (signals.0.as_fd(), 1)];
    places.extend(input.then_some((stdin, 2)));
    places.extend(out.map(|fd| (fd.as_fd(), 3)));
    places.extend(err.map(|fd| (fd.as_fd(), 4)));
    let mut polled: Vec<PollFd> = places.iter().map(|(fd, _)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => {
                other?;
                break;
            }
        };
    }
    let is =
        |what: usize| places.iter().zip(&polled).any(|((_, place), fd)| *place == what && !fd.revents().is_empty());
    Ok(Ready { end: is(0), signal: is(1), input: is(2), output: [is(3), is(4)] })
}

/// What became of the input.
enum Forwarded {
    More,
    End,
    Left,
}

/// Passes what was typed on.
fn forward(
    ends: &mut Ends,
    buffer: &mut [u8],
    typed: &mut dyn FnMut(&[u8]) -> (Vec<u8>, bool),
) -> io::Result<Forwarded> {
    let n = rustix::io::read(rustix::stdio::stdin(), &mut *buffer).unwrap_or(0);
    let target = match ends {
        Ends::Plain { stdin, .. } => stdin,
        Ends::Terminal(_) if n == 0 => return Ok(Forwarded::End),
        Ends::Terminal(terminal) => {
            let (through, left) = typed(&buffer[..n]);
            return Ok(match write_all(terminal.as_fd(), &through) {
                _ if left => Forwarded::Left,
                Ok(()) => Forwarded::More,
                Err(_) => Forwarded::End,
            });
        }
    };
    // At the end of the input the container's own must end too.
    if n == 0 || target.as_ref().is_none_or(|fd| write_all(fd.as_fd(), &buffer[..n]).is_err()) {
        *target = None;
        return Ok(Forwarded::End);
    }
    Ok(Forwarded::More)
}

/// Takes what is there of the container's output. Returns whether anything was.
fn drain(ends: &mut Ends, ready: [bool; 2], manner: Manner, buffer: &mut [u8]) -> io::Result<bool> {
    let mut any = false;
    let mut take = |end: &mut Option<BorrowedFd>, own: BorrowedFd| -> io::Result<()> {
        let Some(fd) = end else { return Ok(()) };
        let now = PollFd::from_borrowed_fd(*fd, PollFlags::IN);
        let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut [now], Some(&zero))? == 0 {
            return Ok(());
        }
        // A terminal answers EIO once its other end is closed everywhere.
        match rustix::io::read(*fd, &mut *buffer) {
            Ok(0) | Err(_) => *end = None,
            Ok(n) => {
                any = true;
                if manner.output {
                    // Nobody may be listening any more; the container goes on all the same.
                    let _ = write_all(own, &buffer[..n]);
                }
            }
        }
        Ok(())
    };
    match ends {
        Ends::Plain { stdout, stderr, .. } => {
            let own = [rustix::stdio::stdout(), rustix::stdio::stderr()];
            for (slot, ready, own) in [(stdout, ready[0], own[0]), (stderr, ready[1], own[1])] {
                let mut end = slot.as_ref().filter(|_| ready).map(|fd| fd.as_fd());
                let was = end.is_some();
                take(&mut end, own)?;
                if was && end.is_none() {
                    *slot = None;
                }
            }
        }
        Ends::Terminal(terminal) => take(&mut Some(terminal.as_fd()).filter(|_| ready[0]), rustix::stdio::stdout())?,
    }
    Ok(any)
}

/// Writes all of it, waiting where the other side is slow.
pub fn write_all(fd: BorrowedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None)?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Sends a signal to the first process; one that has ended needs none.
pub fn pass(handle: &OwnedFd, number: i32) {
    if let Some(signal) = rustix::process::Signal::from_named_raw(number) {
        let _ = rustix::process::pidfd_send_signal(handle, signal);
    }
}

/// Gives the container's terminal the size of ours.
pub fn fit(terminal: &OwnedFd) {
    if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
        let _ = rustix::termios::tcsetwinsize(terminal, size);
    }
}

/// The exit status as docker tells it: the program's own, or 128 and the signal; [`UNSEEN`] where the kernel does not tell.
pub fn exit_status(handle: &OwnedFd) -> io::Result<u8> {
    let status = match waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED) {
        Err(rustix::io::Errno::CHILD) => return Ok(exit_of_anothers(handle)),
        other => other?,
    };
    let code = status
        .and_then(|status| status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)));
    Ok(code.map_or(UNSEEN, |code| code as u8))
}

/// The exit status of a container whose end nobody saw, as dockerd records it after a crash of the host.
pub const UNSEEN: u8 = 255;

/// That of another's child: from the process itself while its parent has not heard of its end, afterwards from the kernel
/// where it keeps it.
fn exit_of_anothers(handle: &OwnedFd) -> u8 {
    let status = of_zombie(handle).or_else(|| {
        (0..20).find_map(|_| match crate::sys::exit_of(handle.as_fd()) {
            Ok(None) => {
                std::thread::sleep(std::time::Duration::from_millis(5));
                None
            }
            other => other.ok().flatten(),
        })
    });
    match status {
        Some(status) if status & 0x7f == 0 => (status >> 8) as u8,
        Some(status) => 128 + (status & 0x7f) as u8,
        None => UNSEEN,
    }
}

/// The last field of `/proc/PID/stat` (proc(5)) of a process that has ended and is still there.
fn of_zombie(handle: &OwnedFd) -> Option<i32> {
    use std::os::fd::AsRawFd;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())).ok()?;
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // As long as the handle still reaches it, the number is its own.
    let is_there = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd()))
        .is_ok_and(|info| info.lines().any(|line| line.strip_prefix("Pid:").is_some_and(|now| now.trim() == pid)));
    (fields.first() == Some(&"Z") && is_there).then(|| fields.last()?.parse().ok()).flatten()
}
