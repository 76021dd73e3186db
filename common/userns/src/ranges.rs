//! The ids that `/etc/subuid` and `/etc/subgid` give to a user (subuid(5)).

/// A range of ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Where ranges of users stand.
pub const USERS: &str = "/etc/subuid";
/// Where ranges of groups stand.
pub const GROUPS: &str = "/etc/subgid";

/// The ranges of a user in one of the files, in its order. Lines name him by name or by number.
pub fn of(file: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    parse(&std::fs::read_to_string(file).unwrap_or_default(), name, uid)
}

fn parse(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let line = |line: &str| {
        let (who, range) = line.trim().split_once(':')?;
        let (first, count) = range.split_once(':')?;
        let is_his = Some(who) == name || who.parse() == Ok(uid);
        let range = Range { first: first.parse().ok()?, count: count.parse().ok()? };
        (is_his && range.count > 0).then_some(range)
    };
    text.lines().filter_map(line).collect()
}

/// The name that this machine has for a user; `None` where it has none.
pub fn name_of(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = passwd.lines().find(|line| line.split(':').nth(2).and_then(|id| id.parse().ok()) == Some(uid))?;
    line.split(':').next().map(str::to_string)
}

/// What newuidmap(1) and newgidmap(1) take: the user's own id as 0 inside, then one range after the other.
pub fn words(own: u32, ranges: &[Range]) -> Vec<String> {
    let mut words = vec!["0".to_string(), own.to_string(), "1".to_string()];
    let mut inside = 1u32;
    for range in ranges {
        words.extend([inside.to_string(), range.first.to_string(), range.count.to_string()]);
        inside = inside.saturating_add(range.count);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "# note\nann:100000:65536\nbob:200000:65536\n1001:300000:10\nann:broken\nann:1:0\n";
        let of = |name, uid| parse(text, name, uid).iter().map(|r| (r.first, r.count)).collect::<Vec<_>>();
        assert_eq!(of(Some("ann"), 1001), [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(of(Some("bob"), 1002), [(200_000, 65_536)]);
        assert_eq!(of(None, 1003), []);
    }

    #[test]
    fn inside_ranges_follow_each_other_after_root() {
        let ranges = [Range { first: 100_000, count: 65_536 }, Range { first: 300_000, count: 10 }];
        assert_eq!(words(1001, &ranges).join(" "), "0 1001 1 1 100000 65536 65537 300000 10");
        assert_eq!(words(1001, &[]).join(" "), "0 1001 1");
    }
}
