//! Which images are picked (moby v28 daemon/images/image_list.go).

use std::collections::HashSet;

use anyhow::Context;
use cli::Filters;
use cli::filter::glob;
use cli::wrong_usage;
use model::reference::Reference;
use model::{Id, Image, Timestamp};

use crate::args::Args;

const KNOWN: [&str; 6] = ["dangling", "label", "before", "since", "until", "reference"];

/// The filters, with what they name looked up once.
pub struct Picker {
    filters: Filters,
    all: bool,
    dangling: Option<bool>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    parents: HashSet<(usize, Id)>,
}

impl Picker {
    /// Reads the filters and looks up what they name.
    pub fn new(args: &Args, images: &[Image]) -> anyhow::Result<Picker> {
        let mut filters = args.filter.read(&KNOWN)?;
        if let Some(name) = &args.name {
            filters.add("reference", name);
        }
        let made = |key: &'static str| -> anyhow::Result<Option<Timestamp>> {
            let Some(name) = filters.values(key).last() else { return Ok(None) };
            let at = host::lookup::image(images, name).with_context(|| format!("invalid filter '{key}'"))?;
            Ok(images[at].created)
        };
        let (before, since) = (made("before")?, made("since")?);
        let until = filters.values("until").map(until).collect::<anyhow::Result<Vec<_>>>()?.into_iter().min();
        Ok(Picker {
            dangling: filters.flag("dangling")?,
            before: before.into_iter().chain(until).min(),
            since,
            parents: images.iter().filter_map(|image| Some((image.store, image.parent.clone()?))).collect(),
            all: args.all,
            filters,
        })
    }

    /// The image with the names that fit; `None` where it is not picked.
    pub fn pick(&self, image: &Image) -> Option<Image> {
        let made = |limit: Option<Timestamp>, fits: fn(&Timestamp, &Timestamp) -> bool| {
            limit.is_none_or(|limit| image.created.is_some_and(|created| fits(&created, &limit)))
        };
        let fits = made(self.before, Timestamp::lt) && made(self.since, Timestamp::gt) && self.has_labels(image);
        let mut image = image.clone();
        if self.filters.has("reference") {
            image.tags.retain(|name| self.is_named(name));
            image.digests.retain(|name| self.is_named(name));
        }
        (fits && self.is_shown(&image)).then_some(image)
    }

    fn is_shown(&self, image: &Image) -> bool {
        if image.tags.is_empty() && image.digests.is_empty() {
            let is_parent = self.parents.contains(&(image.store, image.id.clone()));
            return (self.all || !is_parent) && self.dangling != Some(false) && !self.filters.has("reference");
        }
        self.dangling != Some(true) || image.tags.is_empty()
    }

    fn has_labels(&self, image: &Image) -> bool {
        !self.filters.has("label") || self.filters.labels(&crate::row::labels(image))
    }

    fn is_named(&self, name: &str) -> bool {
        let Ok(reference) = Reference::parse(name) else { return false };
        let (familiar, repository) = (reference.familiar(), reference.repository());
        self.filters.any("reference", |pattern| glob(pattern, &familiar) || glob(pattern, &repository))
    }
}

/// An instant, or how long before now: `2026-01-02T03:04:05Z`, `24h`, `1h30m`.
fn until(text: &str) -> anyhow::Result<Timestamp> {
    let day = || Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
    if let Some(time) = Timestamp::parse_rfc3339(text).or_else(day) {
        return Ok(time);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(Timestamp::new(seconds, 0));
    }
    match duration(text) {
        Some(seconds) => Ok(Timestamp::new(cli::human::now().seconds.saturating_sub(seconds), 0)),
        None => {
            wrong_usage!(
                "invalid filter 'until={}': a time or a duration is expected",
                model::path::shown(text.as_bytes())
            )
        }
    }
}

fn duration(text: &str) -> Option<i64> {
    let mut seconds: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&end| end > 0)?;
        let scale = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(rest[..digits].parse::<i64>().ok()?.checked_mul(scale)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, seconds) in
            [("24h", Some(86_400)), ("1h30m5s", Some(5405)), ("", None), ("h", None), ("5", None), ("5x", None)]
        {
            assert_eq!(duration(text), seconds, "{text}");
        }
        assert_eq!(until("2026-01-02").unwrap().docker(), "2026-01-02 00:00:00 +0000 UTC");
    }
}
