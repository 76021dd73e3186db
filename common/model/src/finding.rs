//! Damage, or anything else in what was read that a person should know of. Not an error: the rest was read.

use std::fmt;

use crate::HostPath;

/// Something in the host under study that could not be read or does not agree. Recorded, shown, counted (exit 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// A word for programs, in kebab case: `record-empty`, `symlink`, `layer-missing`, `digest-differs`.
    pub code: &'static str,
    /// The object concerned, as a person would name it: `container 4f1c0b7a12d3`. Empty where no object is concerned.
    pub subject: String,
    /// Where it lies in the evidence, where that is known.
    pub path: Option<HostPath>,
    /// What is wrong, and what it costs, in lower case without a full stop.
    pub detail: String,
}

impl Finding {
    /// A finding about no object in particular.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Finding {
        Finding { code, subject: String::new(), path: None, detail: detail.into() }
    }

    /// Says which object is concerned.
    pub fn about(mut self, subject: impl Into<String>) -> Finding {
        self.subject = subject.into();
        self
    }

    /// Says where it lies.
    pub fn at(mut self, path: impl Into<HostPath>) -> Finding {
        self.path = Some(path.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(f, "{}: ", crate::path::shown(self.subject.as_bytes()))?;
        }
        if let Some(path) = &self.path {
            write!(f, "'{path}': ")?;
        }
        f.write_str(&crate::path::shown(self.detail.as_bytes()))
    }
}
