//! Two trees compared side by side, by docker's rules, in path order and with both open only where they differ.
//!
//! Source of the rules: moby 28, go-archive changes.go, changes_unix.go; for early engines moby v1.2.0, v1.3.0 and v1.6.0
//! archive/changes.go.

use std::collections::VecDeque;

use hostfs::{FileKind, Stat};
use model::{EntryPath, Finding, Xattrs};

use crate::drivers::Branch;
use crate::walk::{Entered, Node, Walk, What};

/// By which engine's rules two trees differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rules {
    /// Docker before 1.3: a folder above a change is not said, and a folder's time counts.
    Before1_3,
    /// Docker 1.3 to 1.5: the folders above a change are said, and a folder's time counts.
    Before1_6,
    /// Docker 1.6 and later: a folder's time means nothing.
    #[default]
    Today,
    /// Podman: as docker today, and `user.*` attributes count (containers/storage v1.43 pkg/archive/changes_linux.go).
    Podman,
    /// Podman on overlay without a mount program: the container's own layer is asked, nothing is compared (containers/storage
    /// v1.43 drivers/overlay/overlay.go `Changes`). With any other driver as [`Rules::Podman`].
    PodmanOverlay,
}

/// What happened to a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Happened {
    /// It was not there before.
    Added,
    /// It was there, with other attributes or content, or it is a folder above a change.
    Changed,
    /// It is no longer there.
    Deleted,
}

/// One difference, while the walk stands where it was found.
pub struct Step {
    /// What happened.
    pub happened: Happened,
    /// To which name.
    pub path: EntryPath,
    /// The name in the new tree; `None` for what was deleted.
    pub found: Option<Found>,
}

/// A name of the new tree that differs.
pub enum Found {
    /// A directory, already entered.
    Directory(Entered),
    /// Anything else, in the folder where the new walk stands.
    Other(Node),
}

/// Compares two stacks of branches.
pub struct Compare {
    new: Walk,
    old: Walk,
    rules: Rules,
    levels: Vec<Level>,
    ready: VecDeque<Step>,
    /// For each branch of the new stack, which of the old one it is.
    shared: Vec<Option<usize>>,
}

/// A folder that is open in one tree or both.
struct Level {
    in_new: bool,
    in_old: bool,
    next_new: Option<Node>,
    next_old: Option<Node>,
    /// The folder itself, until it has been said.
    unsaid: Option<(EntryPath, Entered)>,
}

impl Compare {
    /// Compares `new` with `old`; an empty `old` is an empty tree.
    pub fn new(new: Vec<Branch>, old: Vec<Branch>, rules: Rules) -> Compare {
        let shared = new.iter().map(|branch| old.iter().position(|other| other.path == branch.path)).collect();
        let (mut new, mut old) = (Walk::merged(new), Walk::merged(old));
        let (in_new, in_old) = (new.enter_top().is_some(), !old.branches().is_empty() && old.enter_top().is_some());
        let levels = vec![Level { in_new, in_old, next_new: None, next_old: None, unsaid: None }];
        Compare { new, old, rules, levels, ready: VecDeque::new(), shared }
    }

    /// The next difference, in path order; a folder before what is in it.
    pub fn next_step(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Some(step);
            }
            let level = self.levels.last_mut()?;
            if level.in_new && level.next_new.is_none() {
                level.next_new = self.new.take();
            }
            if level.in_old && level.next_old.is_none() {
                level.next_old = self.old.take();
            }
            let order = match (&level.next_new, &level.next_old) {
                (None, None) => {
                    self.leave();
                    continue;
                }
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(new), Some(old)) => new.name.cmp(&old.name),
            };
            let new = if order.is_le() { level.next_new.take() } else { None };
            let old = if order.is_ge() { level.next_old.take() } else { None };
            match (new, old) {
                (Some(new), None) => self.say(Happened::Added, new),
                (None, Some(old)) => self.deleted(&old),
                (Some(new), Some(old)) => self.both(new, &old),
                (None, None) => {}
            }
        }
    }

    /// The walk over the new tree, for what a step found.
    pub fn new_tree(&mut self) -> &mut Walk {
        &mut self.new
    }

    /// What could not be read in either tree since this was last asked.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = self.new.take_findings();
        findings.extend(
            self.old.take_findings().into_iter().filter(|finding| !findings.contains(finding)).collect::<Vec<_>>(),
        );
        findings
    }

    fn both(&mut self, new: Node, old: &Node) {
        let (What::Shown(now), What::Shown(before)) = (new.what, old.what) else { return };
        if self.is_shared(&new, old) {
            return;
        }
        let dirs = (now.kind == FileKind::Directory, before.kind == FileKind::Directory);
        if dirs == (true, true) {
            return self.folders(&new, old, &now, &before);
        }
        let counted = |xattrs: Xattrs| counted(&xattrs, self.rules);
        let now_has = counted(self.new.xattrs(&new).unwrap_or_default());
        if differs(&now, &before, self.rules) || now_has != counted(self.old.xattrs(old).unwrap_or_default()) {
            self.say(Happened::Changed, new);
        }
    }

    fn folders(&mut self, new: &Node, old: &Node, now: &Stat, before: &Stat) {
        let path = self.path(new);
        let Some(entered) = self.new.enter(new) else { return };
        let was = self.old.enter(old);
        let has = |entered: &Entered| counted(&entered.xattrs, self.rules);
        let changed = differs(now, before, self.rules) || was.as_ref().is_some_and(|was| has(was) != has(&entered));
        let level = Level {
            in_new: true,
            in_old: was.is_some(),
            next_new: None,
            next_old: None,
            unsaid: Some((path, entered)),
        };
        self.levels.push(level);
        if changed {
            self.say_folders(self.levels.len());
        }
    }

    /// Says that a name of the new tree was added or changed; a directory is entered, and all in it is added.
    fn say(&mut self, happened: Happened, node: Node) {
        self.say_above();
        let path = self.path(&node);
        let is_dir = matches!(node.what, What::Shown(stat) if stat.kind == FileKind::Directory);
        let found = match is_dir.then(|| self.new.enter(&node)) {
            Some(Some(entered)) => {
                self.levels.push(Level { in_new: true, in_old: false, next_new: None, next_old: None, unsaid: None });
                Found::Directory(entered)
            }
            _ => Found::Other(node),
        };
        self.ready.push_back(Step { happened, path, found: Some(found) });
    }

    fn deleted(&mut self, node: &Node) {
        self.say_above();
        let path = self.path(node);
        self.ready.push_back(Step { happened: Happened::Deleted, path, found: None });
    }

    fn say_above(&mut self) {
        if self.rules != Rules::Before1_3 {
            self.say_folders(self.levels.len());
        }
    }

    /// Says the folders on the way that were not said yet.
    fn say_folders(&mut self, depth: usize) {
        let first = if self.rules == Rules::Before1_3 { depth - 1 } else { 0 };
        for level in &mut self.levels[first..depth] {
            if let Some((path, entered)) = level.unsaid.take() {
                self.ready.push_back(Step {
                    happened: Happened::Changed,
                    path,
                    found: Some(Found::Directory(entered)),
                });
            }
        }
    }

    fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            if level.in_new {
                self.new.leave();
            }
            if level.in_old {
                self.old.leave();
            }
        }
    }

    /// Whether both trees have a name from the very same place, so that nothing in it can differ.
    fn is_shared(&self, new: &Node, old: &Node) -> bool {
        if self.new.is_redirected() || self.old.is_redirected() || self.shared[new.branch] != Some(old.branch) {
            return false;
        }
        self.new.sharers(new).map(|branch| self.shared[branch]).eq(self.old.sharers(old).map(Some))
    }

    fn path(&self, node: &Node) -> EntryPath {
        // Where both are open they stand at the same place.
        let in_new = self.levels.last().is_some_and(|level| level.in_new);
        let folder = if in_new { self.new.path() } else { self.old.path() };
        crate::merge::path_of(folder, &node.name)
    }
}

/// The extended attributes whose change is a change.
fn counted(xattrs: &Xattrs, rules: Rules) -> Xattrs {
    let is_podman = matches!(rules, Rules::Podman | Rules::PodmanOverlay);
    let counts = |name: &[u8]| name == b"security.capability" || is_podman && name.starts_with(b"user.");
    xattrs.iter().filter(|(name, _)| counts(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether attributes differ. A link's permissions mean nothing on Linux and are always the same.
fn differs(now: &Stat, before: &Stat, rules: Rules) -> bool {
    let times = before.kind != FileKind::Directory || matches!(rules, Rules::Before1_3 | Rules::Before1_6);
    let sizes = before.kind != FileKind::Directory;
    now.kind != before.kind
        || now.mode != before.mode
        || (now.uid, now.gid) != (before.uid, before.gid)
        || times && !same_time(now, before)
        || sizes && now.size != before.size
}

/// Archives cut times to whole seconds, so a time without a fraction equals any in its second.
pub(crate) fn same_time(now: &Stat, before: &Stat) -> bool {
    let (a, b) = (now.mtime, before.mtime);
    a.seconds == b.seconds && (a.nanos == b.nanos || a.nanos == 0 || b.nanos == 0)
}
