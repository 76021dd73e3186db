//! A person attached to a container: the terminal here and the attending process there.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use launch::relay::{Signals, write_all};
use logfile::Stream;
use model::Id;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send, socket_with,
};

use crate::end::Living;
use crate::keys::Keys;
use crate::runtime;
use crate::talk::{MOST, Word};

/// How somebody is attached.
pub struct Attached<'a> {
    /// Whether stdin goes to the container.
    pub input: bool,
    /// Whether it has a terminal, which then takes the size of ours.
    pub terminal: bool,
    /// Keys that end this and leave the container.
    pub keys: Keys,
    /// Whether signals go to it.
    pub proxy: Option<&'a Living>,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parted {
    /// The container has ended, with docker's exit status.
    Exited(u8),
    /// The person typed the keys.
    Detached,
    /// This signal came, and was not to be passed on.
    Signalled(u8),
    /// The attending process has gone.
    Lost,
}

/// Calls the process that attends a container; `None` where there is none.
pub fn call(id: &Id) -> Option<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).ok()?;
    let address = SocketAddrUnix::new(runtime::place(id.as_str()).join(runtime::DOOR)).ok()?;
    connect(&socket, &address).ok()?;
    Some(socket)
}

/// Says one word to the process that attends a container. Returns whether there is one.
pub fn tell(id: &Id, word: Word) -> bool {
    call(id).is_some_and(|socket| say(&socket, word).is_ok())
}

/// Waits for the end of a container that has an attending process, and returns docker's exit status; `None` where that process
/// is gone, or went before it said so.
pub fn outlive(id: &Id) -> Option<u8> {
    let socket = call(id)?;
    let mut buffer = [0; 16];
    loop {
        match recv(&socket, &mut buffer[..], RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
            Err(_) | Ok((0, _)) => return None,
            Ok((count, _)) => {
                if let Some(Word::Ended(status)) = Word::parse(&buffer[..count]) {
                    return Some(status);
                }
            }
        }
    }
}

/// Passes everything on until the container ends or the person leaves. `Word::Hello` is said here, where it is `call`'s socket.
pub fn stay(socket: &OwnedFd, attached: &mut Attached, signals: &Signals) -> io::Result<Parted> {
    say(socket, Word::Hello { input: attached.input, output: true })?;
    if attached.terminal {
        // A size that differs makes the program inside draw itself anew (docker/cli v20.10 cli/command/container/tty.go).
        resize(socket, 1)?;
        resize(socket, 0)?;
    }
    let mut input = attached.input;
    let mut buffer = vec![0; MOST + 1];
    loop {
        let [said, signal, typed] = wait(socket, signals, input)?;
        if signal && let Some(number) = pass(socket, attached, signals)? {
            return Ok(Parted::Signalled(number));
        }
        if typed {
            match read_typed(socket, attached, &mut buffer)? {
                Typed::More => {}
                Typed::End => input = false,
                Typed::Leave => return Ok(Parted::Detached),
            }
        }
        if said && let Some(parted) = hear(socket, &mut buffer)? {
            return Ok(parted);
        }
    }
}

fn say(socket: &OwnedFd, word: Word) -> io::Result<()> {
    Ok(send(socket, &word.bytes(), SendFlags::NOSIGNAL).map(drop)?)
}

fn wait(socket: &OwnedFd, signals: &Signals, input: bool) -> io::Result<[bool; 3]> {
    let stdin = rustix::stdio::stdin();
    let mut polled = vec![
        PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
    ];
    if input {
        polled.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
    }
    match poll(&mut polled, None) {
        Err(rustix::io::Errno::INTR) => return Ok([false; 3]),
        other => other?,
    };
    let ready = |at: usize| polled.get(at).is_some_and(|fd| !fd.revents().is_empty());
    Ok([ready(0), ready(1), ready(2)])
}

/// Passes signals on. One that is not to be passed on and ends programs is returned.
fn pass(socket: &OwnedFd, attached: &Attached, signals: &Signals) -> io::Result<Option<u8>> {
    while let Some(number) = signals.next() {
        match (number, attached.proxy) {
            (libc::SIGWINCH, _) if attached.terminal => resize(socket, 0)?,
            (libc::SIGWINCH, _) => {}
            (number, Some(living)) => drop(living.signal(number)),
            (libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTERM, None) => return Ok(u8::try_from(number).ok()),
            (_, None) => {}
        }
    }
    Ok(None)
}

fn resize(socket: &OwnedFd, more: u16) -> io::Result<()> {
    match rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) => say(socket, Word::Size { rows: size.ws_row + more, columns: size.ws_col + more }),
        Err(_) => Ok(()),
    }
}

enum Typed {
    More,
    End,
    Leave,
}

fn read_typed(socket: &OwnedFd, attached: &mut Attached, buffer: &mut [u8]) -> io::Result<Typed> {
    let count = rustix::io::read(rustix::stdio::stdin(), &mut buffer[..MOST / 2]).unwrap_or(0);
    if count == 0 {
        say(socket, Word::InputEnd)?;
        return Ok(Typed::End);
    }
    if !attached.terminal {
        say(socket, Word::Input(&buffer[..count]))?;
        return Ok(Typed::More);
    }
    let (through, left) = attached.keys.filter(&buffer[..count]);
    if !through.is_empty() {
        say(socket, Word::Input(&through))?;
    }
    Ok(if left { Typed::Leave } else { Typed::More })
}

fn hear(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<Parted>> {
    let count = match recv(socket, &mut *buffer, RecvFlags::empty()) {
        // Whoever left without having heard all that we said; what it said itself comes after that.
        Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => return Ok(None),
        Err(_) | Ok((0, _)) => return Ok(Some(Parted::Lost)),
        Ok((count, _)) => count,
    };
    match Word::parse(&buffer[..count]) {
        Some(Word::Output(stream, bytes)) => {
            let own = if stream == Stream::Out { rustix::stdio::stdout() } else { rustix::stdio::stderr() };
            write_all(own, bytes)?;
        }
        Some(Word::Ended(status)) => return Ok(Some(Parted::Exited(status))),
        _ => {}
    }
    Ok(None)
}
