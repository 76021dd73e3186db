//! Between a running container and everybody who has to do with it: its log, the person here, those that are attached, its
//! health check. One process, one thread, one wait for all.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use launch::Started;
use launch::relay::{self, Ends, Manner, Signals};
use logfile::Stream;
use logfile::write::Writer;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};

use crate::clients::{Clients, Wish};
use crate::health::{Change, Health};

/// Input that may wait for the container.
const QUEUE: usize = 64 * 1024;
/// How long a container runs before a process that a person waits for settles: one that ends at once is not kept longer for that.
const SETTLED: Duration = Duration::from_millis(200);
/// Bytes that are taken at once.
const BLOCK: usize = 16 * 1024;

/// One run of a container, and all who have to do with it.
pub struct Run<'a> {
    /// The container.
    pub started: &'a mut Started,
    /// Our ends of its streams.
    pub ends: Ends,
    /// The person whose terminal or pipes this process has.
    pub manner: Manner,
    /// Signals to this process, taken before the container was started.
    pub signals: &'a Signals,
    /// The signal that asks the container to end: what a signal to end means for a process that attends alone.
    pub stop_signal: i32,
    /// Its log.
    pub log: &'a mut Option<Writer>,
    /// Those that are attached.
    pub clients: &'a mut Clients,
    /// Whether its input ends when whoever gave it leaves.
    pub stdin_once: bool,
    /// Its health check.
    pub health: Option<&'a mut Health>,
    /// Hears what the health check found.
    pub healthy: &'a mut dyn FnMut(Change),
}

/// How a run ended.
pub struct Over {
    /// Docker's exit status.
    pub status: u8,
    /// Whether somebody wants it not to be started again; and whether not to be removed either.
    pub enough: Option<bool>,
    /// Whether the kernel killed for want of memory.
    pub out_of_memory: bool,
}

/// What a wait was for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    End,
    Signal,
    Typed,
    In,
    Out(Stream),
    Client,
    Probe,
}

/// Stays until the container's first process has ended and its output is drained.
pub fn to_its_end(run: Run) -> io::Result<Over> {
    let mut room = Room {
        input: run.manner.input,
        queue: Vec::new(),
        close: false,
        enough: None,
        over: false,
        settles: Some(Instant::now() + if run.manner.output { SETTLED } else { Duration::ZERO }),
        buffer: vec![0; BLOCK],
        run,
    };
    room.be_ready()?;
    while !room.turn()? {}
    room.last_words()?;
    room.last_output();
    let status = relay::exit_status(&room.run.started.handle)?;
    Ok(Over { status, enough: room.enough, out_of_memory: false })
}

struct Room<'a> {
    run: Run<'a>,
    /// Whether the person may type more.
    input: bool,
    /// What the container has not taken yet.
    queue: Vec<u8>,
    /// Whether its input ends behind that.
    close: bool,
    enough: Option<bool>,
    /// Whether the first process has ended.
    over: bool,
    /// When this process lets go of what it needs no more; `None` once it has.
    settles: Option<Instant>,
    buffer: Vec<u8>,
}

impl Room<'_> {
    /// Nothing that the container does or fails to do may make this process wait.
    fn be_ready(&mut self) -> io::Result<()> {
        match &self.run.ends {
            Ends::Plain { stdin, stdout, stderr } => {
                for fd in [stdin, stdout, stderr].into_iter().flatten() {
                    rustix::io::ioctl_fionbio(fd, true)?;
                }
            }
            Ends::Terminal(terminal) => {
                rustix::io::ioctl_fionbio(terminal, true)?;
                if self.run.manner.output {
                    relay::fit(terminal);
                }
            }
        }
        Ok(())
    }

    /// Waits once and does what is to be done. Returns whether the container has ended.
    fn turn(&mut self) -> io::Result<bool> {
        if self.settles.is_some_and(|at| at <= Instant::now()) {
            self.settles = None;
            launch::sys::let_go_of_program();
        }
        let (ready, clients) = self.wait(self.patience())?;
        let mut ended = false;
        for place in ready {
            match place {
                Place::End => ended = true,
                Place::Signal => self.take_signals(),
                Place::Typed => self.take_typed(),
                Place::In | Place::Client | Place::Probe => {}
                Place::Out(stream) => drop(self.take_output(stream)),
            }
        }
        self.answer(&clients);
        self.feed();
        if !ended && let Some(health) = &mut self.run.health {
            let change = health.go_on(self.run.started.pid, &mut self.run.started.cgroup);
            change.into_iter().for_each(&mut *self.run.healthy);
        }
        Ok(ended)
    }

    fn answer(&mut self, ready: &[bool]) {
        if ready.contains(&true) {
            let wishes = self.run.clients.answer(ready);
            wishes.into_iter().for_each(|wish| self.grant(wish));
        }
    }

    /// Hears what was said before the end, and was not heard yet: that it is not to be removed, say.
    fn last_words(&mut self) -> io::Result<()> {
        const ROUNDS: usize = 16;
        for _ in 0..ROUNDS {
            let (_, clients) = self.wait(Some(Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            if !clients.contains(&true) {
                break;
            }
            self.answer(&clients);
        }
        Ok(())
    }

    fn wait(&self, patience: Option<Timespec>) -> io::Result<(Vec<Place>, Vec<bool>)> {
        let stdin = rustix::stdio::stdin();
        let mut places: Vec<(Place, BorrowedFd, PollFlags)> = vec![
            (Place::End, self.run.started.handle.as_fd(), PollFlags::IN),
            (Place::Signal, self.run.signals.as_fd(), PollFlags::IN),
        ];
        let room = self.queue.len() < QUEUE;
        if self.input && room {
            places.push((Place::Typed, stdin, PollFlags::IN));
        }
        if let Some(fd) = self.container_input().filter(|_| !self.queue.is_empty()) {
            places.push((Place::In, fd, PollFlags::OUT));
        }
        if !self.run.clients.are_full() {
            let out = [Stream::Out, Stream::Err].into_iter();
            places.extend(out.filter_map(|stream| Some((Place::Out(stream), self.output(stream)?, PollFlags::IN))));
        }
        if let Some(health) = &self.run.health {
            places.extend(health.places().map(|fd| (Place::Probe, fd, PollFlags::IN)));
        }
        let own = places.len();
        places.extend(self.run.clients.places(room).map(|(fd, flags)| (Place::Client, fd, flags)));
        let mut polled: Vec<PollFd> =
            places.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        match poll(&mut polled, patience.as_ref()) {
            Err(Errno::INTR) => return Ok((Vec::new(), Vec::new())),
            other => other?,
        };
        let is_ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let ready = places[..own].iter().zip(&is_ready).filter(|(_, ready)| **ready).map(|((place, ..), _)| *place);
        Ok((ready.collect(), is_ready[own..].to_vec()))
    }

    /// How long until the health check wants to go on, or this process settles.
    fn patience(&self) -> Option<Timespec> {
        let until = |at: Instant| at.saturating_duration_since(Instant::now());
        // At least so long while a container is halted.
        let health = self.run.health.as_ref().map(|health| until(health.due()).max(Duration::from_millis(20)));
        // A millisecond more, so that it is due indeed.
        let left = health.into_iter().chain(self.settles.map(until)).min()? + Duration::from_millis(1);
        Some(Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() })
    }

    fn container_input(&self) -> Option<BorrowedFd<'_>> {
        match &self.run.ends {
            Ends::Plain { stdin, .. } => stdin.as_ref().map(|fd| fd.as_fd()),
            Ends::Terminal(terminal) => Some(terminal.as_fd()),
        }
    }

    fn output(&self, stream: Stream) -> Option<BorrowedFd<'_>> {
        match (&self.run.ends, stream) {
            (Ends::Plain { stdout, .. }, Stream::Out) => stdout.as_ref().map(|fd| fd.as_fd()),
            (Ends::Plain { stderr, .. }, Stream::Err) => stderr.as_ref().map(|fd| fd.as_fd()),
            (Ends::Terminal(terminal), Stream::Out) => Some(terminal.as_fd()),
            (Ends::Terminal(_), Stream::Err) => None,
        }
    }

    fn take_signals(&mut self) {
        while let Some(number) = self.run.signals.next() {
            match (&self.run.ends, number) {
                (Ends::Terminal(terminal), libc::SIGWINCH) if self.run.manner.output => relay::fit(terminal),
                (_, libc::SIGWINCH) => {}
                _ if self.run.manner.signals => relay::pass(&self.run.started.handle, number),
                // Whoever ends the process beside a container means the container: the machine goes down, say.
                (_, libc::SIGTERM) if !self.run.manner.output => {
                    relay::pass(&self.run.started.handle, self.run.stop_signal);
                }
                _ => {}
            }
        }
    }

    fn take_typed(&mut self) {
        match rustix::io::read(rustix::stdio::stdin(), &mut self.buffer) {
            Ok(count) if count > 0 => self.queue.extend_from_slice(&self.buffer[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            _ => {
                self.input = false;
                self.close = matches!(self.run.ends, Ends::Plain { .. });
            }
        }
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Input(bytes) => self.queue.extend_from_slice(&bytes),
            Wish::InputEnd => self.close |= self.run.stdin_once && matches!(self.run.ends, Ends::Plain { .. }),
            Wish::Size(rows, columns) => {
                if let Ends::Terminal(terminal) = &self.run.ends {
                    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                    let _ = tcsetwinsize(terminal, size);
                }
            }
            Wish::Enough(keep) => self.enough = Some(keep),
        }
    }

    /// Gives the container what waits for it, as much as it takes.
    fn feed(&mut self) {
        while !self.queue.is_empty() {
            let Some(fd) = self.container_input() else {
                self.queue.clear();
                break;
            };
            match rustix::io::write(fd, &self.queue) {
                Ok(count) => drop(self.queue.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.queue.clear();
                    self.close = true;
                }
            }
        }
        if self.close
            && let Ends::Plain { stdin, .. } = &mut self.run.ends
        {
            *stdin = None;
        }
    }

    /// Takes what is there of the container's output. Returns whether anything was.
    fn take_output(&mut self, stream: Stream) -> bool {
        if self.output(stream).is_none() {
            return false;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let count = self.output(stream).map_or(Ok(0), |fd| rustix::io::read(fd, &mut buffer));
        let some = match count {
            Ok(count) if count > 0 => {
                self.pass_on(stream, &buffer[..count]);
                true
            }
            Err(Errno::INTR) => true,
            Err(Errno::AGAIN) => false,
            // A terminal answers EIO while nobody inside has it open; another may open it yet.
            Err(Errno::IO) if matches!(self.run.ends, Ends::Terminal(_)) => {
                if !self.over {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                false
            }
            _ => {
                self.lose(stream);
                false
            }
        };
        self.buffer = buffer;
        some
    }

    fn pass_on(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(log) = self.run.log {
            // As docker: a log that takes no more (the disk is full) does not end the container.
            let _ = log.take(stream, bytes, launch::now());
        }
        if self.run.manner.output {
            let own = if stream == Stream::Out { rustix::stdio::stdout() } else { rustix::stdio::stderr() };
            // Nobody may be listening any more; the container goes on all the same.
            let _ = relay::write_all(own, bytes);
        }
        self.run.clients.say(stream, bytes);
    }

    fn lose(&mut self, stream: Stream) {
        if let Ends::Plain { stdout, stderr, .. } = &mut self.run.ends {
            *if stream == Stream::Out { stdout } else { stderr } = None::<OwnedFd>;
        }
    }

    /// What it wrote before it ended is still in the pipes; what its children hold open is not waited for.
    fn last_output(&mut self) {
        self.over = true;
        while self.take_output(Stream::Out) | self.take_output(Stream::Err) {}
        if let Some(log) = self.run.log {
            let _ = log.finish(launch::now());
        }
    }
}
