//! Damage that was met, said once, counted in the exit status.

use model::Finding;

use crate::message;

/// What was found while reading, in the order met. The same finding twice counts once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// None yet.
    pub fn new() -> Findings {
        Findings::default()
    }

    /// Adds one.
    pub fn add(&mut self, finding: Finding) {
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// Adds several.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// Takes the value and keeps the findings that came with it: `let stores = findings.take(detect(&root));`.
    pub fn take<T>(&mut self, (value, findings): (T, Vec<Finding>)) -> T {
        self.extend(findings);
        value
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says each on stderr: `ps: finding: container 4f1c0b7a12d3: 'containers/…': …`.
    pub(crate) fn say(&self) {
        for finding in &self.0 {
            message::say(&format!("finding: {finding}"));
        }
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Vec<Finding>> for Findings {
    fn from(list: Vec<Finding>) -> Findings {
        let mut findings = Findings::new();
        findings.extend(list);
        findings
    }
}
