//! Containers really started: exit statuses, what flags do inside, hostile images, and the same beside docker and runc.

mod bundle;
mod described;
mod escapes;
mod exits;
mod flags;
mod hostile;
mod hosts;
mod image;
mod limits;
mod safety;
