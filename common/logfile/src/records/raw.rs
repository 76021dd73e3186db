//! Raw output, a file for each stream and no times (docker before 0.5.1: container.go, v0.5.0).

use std::collections::VecDeque;

use super::{Parsed, Parser};
use crate::entry::{Entry, Stream};

pub(crate) struct Raw {
    pub stream: Stream,
}

impl Parser for Raw {
    fn parse(&mut self, bytes: &[u8], last: bool, out: &mut VecDeque<Entry>) -> Option<Parsed> {
        let line = super::line(bytes, last)?;
        out.push_back(Entry {
            stream: self.stream,
            time: None,
            attrs: Vec::new(),
            text: line.to_vec(),
            continues: false,
        });
        Some(Parsed { used: line.len(), damaged: 0 })
    }
}
