//! Those that are attached to a container, as its attending process sees them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use logfile::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, recv,
    send, socket_with,
};

use crate::talk::{MOST, Word};

/// Bytes that wait for one client before the container has to wait (moby v20.10.24 pkg/ioutils/bytespipe.go
/// blockThreshold).
const FULL: usize = 1_000_000;
/// How long a client may take to hear of the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One that is attached.
struct Client {
    fd: OwnedFd,
    input: bool,
    output: bool,
    waiting: VecDeque<Vec<u8>>,
    size: usize,
}

/// All of them, and the socket where more come.
#[derive(Default)]
pub struct Clients {
    door: Option<OwnedFd>,
    list: Vec<Client>,
}

/// What a client wants of the container.
#[derive(PartialEq, Eq, Debug)]
pub enum Wish {
    /// Give it this input.
    Input(Vec<u8>),
    /// Whoever gave input gives no more.
    InputEnd,
    /// Make its terminal this large.
    Size(u16, u16),
    /// Do not start it again; and do not remove it.
    Enough(bool),
}

impl Clients {
    /// Opens the door at `path`.
    pub fn open(path: &Path) -> io::Result<Clients> {
        let door = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None)?;
        bind(&door, &SocketAddrUnix::new(path)?)?;
        listen(&door, 16)?;
        Ok(Clients { door: Some(door), list: Vec::new() })
    }

    /// Adds one that was there from the beginning.
    pub fn add(&mut self, fd: OwnedFd, input: bool, output: bool) {
        let _ = rustix::io::ioctl_fionbio(&fd, true);
        self.list.push(Client { fd, input, output, waiting: VecDeque::new(), size: 0 });
    }

    /// What to wait for, in the order that [`Clients::answer`] counts them. Input is waited for where the container has
    /// `room` for it.
    pub fn places(&self, room: bool) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let door = self.door.iter().map(|door| (door.as_fd(), PollFlags::IN));
        door.chain(self.list.iter().map(move |client| {
            let input = if client.input && !room { PollFlags::empty() } else { PollFlags::IN };
            let output = if client.waiting.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            (client.fd.as_fd(), input | output)
        }))
    }

    /// Whether the container has to wait for one of them.
    pub fn are_full(&self) -> bool {
        self.list.iter().any(|client| client.size > FULL)
    }

    /// Does what is to be done for the places that are ready. Returns what is wanted of the container.
    pub fn answer(&mut self, ready: &[bool]) -> Vec<Wish> {
        let doors = usize::from(self.door.is_some());
        let mut wishes = Vec::new();
        let mut gone = Vec::new();
        for (at, client) in self.list.iter_mut().enumerate() {
            if ready.get(at + doors).copied().unwrap_or(false) && !(client.flush() && client.hear(&mut wishes)) {
                gone.push(at);
            }
        }
        for at in gone.into_iter().rev() {
            if self.list.remove(at).input {
                wishes.push(Wish::InputEnd);
            }
        }
        if doors == 1 && ready.first().copied().unwrap_or(false) {
            self.let_in();
        }
        wishes
    }

    fn let_in(&mut self) {
        if let Some(door) = &self.door
            && let Ok(fd) = accept_with(door, flags())
        {
            self.list.push(Client { fd, input: false, output: false, waiting: VecDeque::new(), size: 0 });
        }
    }

    /// Passes on what the container wrote.
    pub fn say(&mut self, stream: Stream, bytes: &[u8]) {
        if self.list.iter().all(|client| !client.output) {
            return;
        }
        for part in bytes.chunks(MOST) {
            let word = Word::Output(stream, part).bytes();
            self.list.iter_mut().filter(|client| client.output).for_each(|client| client.say(word.clone()));
        }
        self.list.retain_mut(Client::flush);
    }

    /// Tells them that the container has ended, and lets them go.
    pub fn end(&mut self, status: u8) {
        let word = Word::Ended(status).bytes();
        self.list.iter_mut().for_each(|client| client.say(word.clone()));
        let until = Instant::now() + LAST_WORDS;
        self.list.retain_mut(Client::flush);
        while self.list.iter().any(|client| !client.waiting.is_empty()) && Instant::now() < until {
            let mut polled: Vec<PollFd> =
                self.list.iter().map(|client| PollFd::from_borrowed_fd(client.fd.as_fd(), PollFlags::OUT)).collect();
            let pause = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let _ = poll(&mut polled, Some(&pause));
            self.list.retain_mut(Client::flush);
        }
        self.list.clear();
    }

    /// Waits between two runs of the container. Returns what is wanted, once something is or the time is over.
    pub fn wait(&mut self, pause: Duration) -> Vec<Wish> {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            let places: Vec<_> = self.places(true).collect();
            let mut polled: Vec<PollFd> =
                places.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
            let count = poll(&mut polled, Some(&left)).unwrap_or(0);
            let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(polled);
            drop(places);
            let wishes = if count > 0 { self.answer(&ready) } else { Vec::new() };
            if count == 0 && left.tv_sec == 0 && left.tv_nsec == 0
                || wishes.iter().any(|it| matches!(it, Wish::Enough(_)))
            {
                return wishes;
            }
        }
    }
}

fn flags() -> SocketFlags {
    SocketFlags::CLOEXEC | SocketFlags::NONBLOCK
}

impl Client {
    fn say(&mut self, word: Vec<u8>) {
        self.size += word.len();
        self.waiting.push_back(word);
    }

    /// Sends what waits, as much as goes. Returns whether the client is still there.
    fn flush(&mut self) -> bool {
        while let Some(word) = self.waiting.front() {
            match send(&self.fd, word, SendFlags::NOSIGNAL) {
                Ok(_) => {
                    self.size -= word.len();
                    self.waiting.pop_front();
                }
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Takes what it says. Returns whether it is still there.
    fn hear(&mut self, wishes: &mut Vec<Wish>) -> bool {
        let mut buffer = vec![0; MOST + 1];
        loop {
            let count = match recv(&self.fd, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => return false,
                Ok((count, _)) => count,
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return false,
            };
            match Word::parse(&buffer[..count]) {
                Some(Word::Hello { input, output }) => (self.input, self.output) = (input, output),
                Some(Word::Input(bytes)) if self.input => {
                    wishes.push(Wish::Input(bytes.to_vec()));
                    // The rest stays in the socket until the container took this.
                    return true;
                }
                Some(Word::InputEnd) if self.input => {
                    self.input = false;
                    wishes.push(Wish::InputEnd);
                }
                Some(Word::Size { rows, columns }) => wishes.push(Wish::Size(rows, columns)),
                Some(Word::Enough { keep }) => wishes.push(Wish::Enough(keep)),
                _ => {}
            }
        }
    }
}
