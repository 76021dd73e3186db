//! Two threads that work through jobs whose results are taken in the order in which the jobs were given.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Threads at work; the machines that this is meant for have two cores or more, and memory is counted in jobs.
const THREADS: usize = 2;

/// Jobs under way, done or not, that keep both threads at work.
pub(super) const JOBS: usize = 4;

pub(super) struct Pool<Job, Outcome> {
    workers: Vec<(SyncSender<Job>, Receiver<Outcome>)>,
    under_way: VecDeque<usize>,
    next: usize,
    most: usize,
}

impl<Job: Send + 'static, Outcome: Send + 'static> Pool<Job, Outcome> {
    /// A pool for `most` jobs under way, done or not.
    pub(super) fn new(work: fn(Job) -> Outcome, most: usize) -> Pool<Job, Outcome> {
        let workers = (0..THREADS).map(|_| worker(work, most)).collect();
        Pool { workers, under_way: VecDeque::new(), next: 0, most }
    }

    /// Whether a result has to be taken before the next job.
    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= self.most
    }

    /// Gives a job to the next thread.
    pub(super) fn give(&mut self, job: Job) -> io::Result<()> {
        let worker = self.next % THREADS;
        self.next += 1;
        self.workers[worker].0.send(job).map_err(|_| died())?;
        self.under_way.push_back(worker);
        Ok(())
    }

    /// The result of the oldest job; `None` when none is under way.
    pub(super) fn take(&mut self) -> io::Result<Option<Outcome>> {
        let Some(worker) = self.under_way.pop_front() else { return Ok(None) };
        self.workers[worker].1.recv().map(Some).map_err(|_| died())
    }
}

/// A thread that ends when the pool is dropped.
fn worker<Job: Send + 'static, Outcome: Send + 'static>(
    work: fn(Job) -> Outcome,
    most: usize,
) -> (SyncSender<Job>, Receiver<Outcome>) {
    let (give, jobs) = sync_channel::<Job>(most);
    let (outcomes, take) = sync_channel(most);
    thread::spawn(move || {
        for job in jobs {
            if outcomes.send(work(job)).is_err() {
                break;
            }
        }
    });
    (give, take)
}

fn died() -> io::Error {
    io::Error::other("a compression thread ended early")
}
