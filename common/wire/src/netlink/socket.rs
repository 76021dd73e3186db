//! A netlink socket: one batch out, its answers in.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::buffer::spare_capacity;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use thiserror::Error;

use crate::netlink::Batch;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const MULTI: u16 = 2;
/// Room for one batch of rules; a larger one is refused by the kernel, whole.
const SEND_BUFFER: usize = 64 << 20;

/// What the kernel answered.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// The socket itself.
    #[error("cannot talk to the kernel's network configuration")]
    Socket {
        /// Why not.
        source: io::Error,
    },
    /// A message was refused.
    #[error("the kernel refused message {sequence} of {total}")]
    Refused {
        /// Which one, from 1.
        sequence: u32,
        /// Of how many.
        total: u32,
        /// Why.
        source: io::Error,
    },
}

impl NetlinkError {
    /// The kernel's number for what went wrong.
    pub fn code(&self) -> Option<i32> {
        match self {
            NetlinkError::Socket { source } | NetlinkError::Refused { source, .. } => source.raw_os_error(),
        }
    }
}

impl From<rustix::io::Errno> for NetlinkError {
    fn from(error: rustix::io::Errno) -> NetlinkError {
        NetlinkError::Socket { source: error.into() }
    }
}

/// Room for one answer: the kernel gives lists in parts of at most 32 KiB (linux/net/netlink/af_netlink.c, netlink_dump).
const ANSWER: usize = 64 << 10;

/// A socket of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    answer: Mutex<Answer>,
}

/// What the kernel answered last.
#[derive(Debug)]
struct Answer {
    /// Room that nobody has written to yet costs nothing.
    bytes: Vec<u8>,
    /// Whether more may be there than was read: of a batch that was refused, more than the one that was told.
    is_left: bool,
}

impl Answer {
    fn receive(&mut self, fd: &OwnedFd, flags: RecvFlags) -> rustix::io::Result<()> {
        self.bytes.clear();
        rustix::net::recv(fd, spare_capacity(&mut self.bytes), flags).map(|_| ())
    }
}

impl Socket {
    /// For links, addresses and routes.
    pub fn route() -> Result<Socket, NetlinkError> {
        // Routing is protocol number 0.
        Socket::open(None)
    }

    /// For rules.
    pub fn netfilter() -> Result<Socket, NetlinkError> {
        let socket = Socket::open(Some(netlink::NETFILTER))?;
        // Answers of large batches have to wait somewhere; without the privilege the default has to do.
        let _ = nix::sys::socket::setsockopt(&socket.fd, nix::sys::socket::sockopt::SndBufForce, &SEND_BUFFER);
        let _ = nix::sys::socket::setsockopt(&socket.fd, nix::sys::socket::sockopt::RcvBufForce, &SEND_BUFFER);
        Ok(socket)
    }

    fn open(protocol: Option<Protocol>) -> Result<Socket, NetlinkError> {
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0))?;
        Ok(Socket { fd, answer: Mutex::new(Answer { bytes: Vec::with_capacity(ANSWER), is_left: false }) })
    }

    /// The number of the interface of that name: asked for alone, where all that there is to know of it takes longer.
    pub fn index(&self, name: &str) -> Result<Option<u32>, NetlinkError> {
        match rustix::net::netdevice::name_to_index(&self.fd, name) {
            Ok(index) => Ok(Some(index)),
            Err(rustix::io::Errno::NODEV) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a batch and waits for the answer to its last message.
    pub(crate) fn send(&self, batch: Batch) -> Result<(), NetlinkError> {
        self.exchange(batch, |_, _| ())
    }

    /// Sends a batch and waits for the answer to the message of that number, the last one that asks for an answer.
    pub(crate) fn send_until(&self, batch: Batch, last: u32) -> Result<(), NetlinkError> {
        self.converse(batch, last, |_, _| ())
    }

    /// Sends a request for a list and hands over the messages of the answer: their kind, and what follows the header.
    pub(crate) fn exchange(&self, batch: Batch, each: impl FnMut(u16, &[u8])) -> Result<(), NetlinkError> {
        let last = batch.sequence();
        self.converse(batch, last, each)
    }

    fn converse(&self, mut batch: Batch, total: u32, mut each: impl FnMut(u16, &[u8])) -> Result<(), NetlinkError> {
        let kernel = SocketAddrNetlink::new(0, 0);
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        while answer.is_left && answer.receive(&self.fd, RecvFlags::DONTWAIT).is_ok() {}
        rustix::net::sendto(&self.fd, batch.bytes(), SendFlags::empty(), &kernel)?;
        answer.is_left = true;
        loop {
            answer.receive(&self.fd, RecvFlags::empty())?;
            let mut rest = &answer.bytes[..];
            let mut is_last = false;
            while rest.len() >= 16 {
                let word = |at: usize| u32::from_ne_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
                let size = (word(0) as usize).clamp(16, rest.len());
                let (kind, flags, sequence) = (word(4) as u16, (word(4) >> 16) as u16, word(8));
                let body = &rest[16..size];
                match kind {
                    ERROR => {
                        let code = body.get(..4).map_or(0, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
                        if code != 0 {
                            let source = io::Error::from_raw_os_error(-code);
                            return Err(NetlinkError::Refused { sequence, total, source });
                        }
                        is_last = sequence == total;
                    }
                    DONE => is_last = sequence == total,
                    _ => {
                        each(kind, body);
                        is_last = flags & MULTI == 0 && sequence == total;
                    }
                }
                if is_last {
                    break;
                }
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
            }
            if is_last {
                answer.is_left = false;
                return Ok(());
            }
        }
    }
}
