//! The handles of the folders on the way down, few of them open.

use hostfs::{Dir, Problem};

use super::{Part, Walk};

/// Handles that folders may hold at once, branches' own apart. Half of what a process may open by default.
const HANDLES: usize = 512;
/// How many folders above one that is opened again are kept, since the walk returns to them next.
const WINDOW: usize = 64;

impl Walk {
    /// Opens a part of a folder that is about to be entered.
    pub(super) fn open_part(&self, part: &Part) -> Result<Dir, Problem> {
        let top = &self.branches[part.branch].dir;
        let from = match part.above {
            None => top,
            Some(above) => {
                let share = self.frames.last().and_then(|frame| frame.parts.get(usize::from(above)));
                match share.and_then(|share| share.dir.as_ref()) {
                    Some(dir) => dir,
                    None => return self.reopen(self.frames.len() - 1, above)?.open_dir(&part.way),
                }
            }
        };
        match descend(from, &part.way)? {
            Some(dir) => Ok(dir),
            None => from.open_dir(b"."),
        }
    }

    /// The handle of a part of the folder that is entered.
    pub(super) fn dir(&mut self, part: u16) -> Result<&Dir, Problem> {
        let last = self.frames.len().checked_sub(1).ok_or(Problem::Missing)?;
        if self.frames[last].parts[usize::from(part)].dir.is_none() {
            self.open_window(last, part)?;
        }
        self.frames[last].parts[usize::from(part)].dir.as_ref().ok_or(Problem::Missing)
    }

    /// Opens a part whose handle was given up, and those above it within the window, where the walk returns next.
    pub(super) fn open_window(&mut self, frame: usize, part: u16) -> Result<(), Problem> {
        let mut shares = vec![part];
        for at in (1..=frame).rev() {
            match self.frames[at].parts[usize::from(shares[shares.len() - 1])].above {
                Some(above) => shares.push(above),
                None => break,
            }
        }
        let highest = frame + 1 - shares.len();
        let mut passing: Option<Dir> = None;
        for at in highest..=frame {
            let part = usize::from(shares[frame - at]);
            if let Some(dir) = &self.frames[at].parts[part].dir {
                passing = Some(dir.open_dir(b".")?);
                continue;
            }
            let share = &self.frames[at].parts[part];
            let from = if share.above.is_none() {
                &self.branches[share.branch].dir
            } else {
                passing.as_ref().ok_or(Problem::Missing)?
            };
            let dir = match descend(from, &share.way)? {
                Some(dir) => dir,
                None => from.open_dir(b".")?,
            };
            if at + WINDOW > frame {
                passing = (at < frame).then(|| dir.open_dir(b".")).transpose()?;
                self.frames[at].parts[part].dir = Some(dir);
                self.open += 1;
            } else {
                passing = Some(dir);
            }
        }
        Ok(())
    }

    pub(super) fn reopen(&self, frame: usize, part: u16) -> Result<Dir, Problem> {
        let mut ways = Vec::new();
        let (mut at, mut share) = (frame, &self.frames[frame].parts[usize::from(part)]);
        let mut from = loop {
            match (&share.dir, share.above) {
                (Some(dir), _) => break dir.open_dir(b".")?,
                (None, None) => {
                    ways.push(&share.way);
                    break self.branches[share.branch].dir.open_dir(b".")?;
                }
                (None, Some(above)) => {
                    ways.push(&share.way);
                    at -= 1;
                    share = &self.frames[at].parts[usize::from(above)];
                }
            }
        };
        while let Some(way) = ways.pop() {
            if let Some(dir) = descend(&from, way)? {
                from = dir;
            }
        }
        Ok(from)
    }

    /// Gives up handles of the folders furthest up.
    pub(super) fn close_far(&mut self) {
        let last = self.frames.len().saturating_sub(1);
        for frame in &mut self.frames[..last] {
            if self.open <= HANDLES {
                return;
            }
            for part in &mut frame.parts {
                self.open -= usize::from(part.dir.take().is_some());
            }
        }
    }
}

/// Opens a folder some names down, none of which is followed; `None` where there are no names.
fn descend(from: &Dir, way: &[u8]) -> Result<Option<Dir>, Problem> {
    let mut dir: Option<Dir> = None;
    for name in way.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
        dir = Some(dir.as_ref().unwrap_or(from).open_dir(name)?);
    }
    Ok(dir)
}
