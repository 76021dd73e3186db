//! What all programs share towards the person.
//!
//! In reading order: how a program starts and ends ([`mod@run`]), how old and docker's own spellings of flags are taken
//! ([`spelling`]), what a wrong command line is answered ([`usage`]), which data root is meant ([`root_arg`]), what is picked
//! from a list ([`filter`]), which variables are given ([`variables`]), which moments are meant ([`moment`]), whose columns are shown ([`era`]), what is
//! said on stderr ([`message`], [`findings`], [`progress`]), what goes to stdout or a file ([`output`], [`pipe`], [`json`],
//! [`table`], [`human`], [`mod@format`], made with [`parallel`] work), and the man page and completions ([`spec`]).
//!
//! Nothing here may know where anything is stored.

pub mod era;
pub mod filter;
pub mod findings;
pub mod format;
pub mod human;
pub mod json;
pub mod message;
pub mod moment;
pub mod output;
pub mod parallel;
pub mod pipe;
pub mod progress;
pub mod root_arg;
pub mod run;
pub mod spec;
pub mod spelling;
pub mod table;
pub mod usage;
pub mod variables;

pub use era::Era;
pub use filter::{FilterArg, Filters};
pub use findings::Findings;
pub use format::{Format, Row, Rows, Template};
pub use message::{Hinted, WithHint, note, warning, with_hint};
pub use output::{Output, stdin, stdout};
pub use progress::{Progress, ProgressArg};
pub use root_arg::RootArg;
pub use run::{Outcome, Program, run};
