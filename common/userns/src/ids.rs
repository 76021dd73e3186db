//! What a user namespace maps, told from `/proc` (user_namespaces(7)).

/// One line of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// First id inside.
    pub inside: u32,
    /// First id in the namespace above.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The users of this process's namespace.
pub fn users() -> Vec<Mapped> {
    parse(&std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default())
}

/// The groups of this process's namespace.
pub fn groups() -> Vec<Mapped> {
    parse(&std::fs::read_to_string("/proc/self/gid_map").unwrap_or_default())
}

/// Whether this process is in the first user namespace, the one that the machine began with.
pub fn is_first() -> bool {
    // Where nothing can be read there are no user namespaces at all.
    let users = users();
    users.is_empty() || users == [Mapped { inside: 0, outside: 0, count: u32::MAX }]
}

/// Whether an id means somebody in a map.
pub fn holds(map: &[Mapped], id: u32) -> bool {
    map.iter().any(|line| id.checked_sub(line.inside).is_some_and(|above| above < line.count))
}

fn parse(text: &str) -> Vec<Mapped> {
    let line = |line: &str| {
        let numbers: Vec<u32> = line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let [inside, outside, count] = numbers[..] else { return None };
        Some(Mapped { inside, outside, count })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_line_by_line() {
        let map = parse("         0       1000          1\n         1     100000      65536\n");
        assert_eq!(
            map,
            [Mapped { inside: 0, outside: 1000, count: 1 }, Mapped { inside: 1, outside: 100_000, count: 65_536 }]
        );
        assert!(holds(&map, 0) && holds(&map, 65_536) && !holds(&map, 65_537));
        assert_eq!(parse(""), []);
    }
}
