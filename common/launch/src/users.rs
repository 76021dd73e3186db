//! Who `--user` means in an image: its own passwd and group files, parsed, never asked of the host.

use crate::spec::User;

/// Why a user cannot be told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UserError {
    /// The image's passwd has no such name.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    /// The image's group file has no such name.
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    /// The name is in the image's passwd, and who it is is not.
    #[error("the passwd entry of user {0} does not say its numbers")]
    Entry(String),
    /// A number that cannot be an id.
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
}

/// Resolves docker's `USER[:GROUP]`, names or numbers, with the image's passwd and group files, and `--group-add`.
///
/// As docker does it: a number need not be in passwd; without a group it has the user's own of passwd, else 0; with an
/// explicit group the user's further groups are not taken (moby v20.10.24 vendor/…/libcontainer/user/user.go); the group is
/// also among the further ones (daemon/oci_linux.go WithUser).
pub fn resolve(wanted: &str, passwd: &[u8], group: &[u8], add: &[String]) -> Result<User, UserError> {
    let (name, group_name) = match wanted.split_once(':') {
        Some((name, group_name)) => (name, group_name),
        None => (wanted, ""),
    };
    let number = |text: &str| text.parse::<i64>().ok();
    let entry = lines(passwd).find(|fields| {
        let own = |n: i64| fields.get(2).and_then(|id| number(id)) == Some(n);
        if name.is_empty() { own(0) } else { fields[0] == name || number(name).is_some_and(own) }
    });
    let mut user = User { home: "/".into(), ..User::default() };
    match &entry {
        Some(fields) => {
            let told = |at: usize| fields.get(at).and_then(|text| number(text));
            // Docker takes what is no number for 0, which is root.
            let misread = || UserError::Entry(fields[0].to_string());
            user.uid = id(told(2).ok_or_else(misread)?)?;
            user.gid = id(told(3).ok_or_else(misread)?)?;
            user.home = fields.get(5).filter(|home| !home.is_empty()).map_or("/".into(), |home| home.to_string());
        }
        None if name.is_empty() => {}
        None => user.uid = id(number(name).ok_or_else(|| UserError::NoUser(name.to_string()))?)?,
    }
    if group_name.is_empty() {
        let login = entry.as_ref().map_or(name, |fields| fields[0]);
        user.groups = lines(group)
            .filter(|fields| fields.get(3).is_some_and(|members| members.split(',').any(|member| member == login)))
            .filter_map(|fields| fields.get(2).and_then(|text| text.parse().ok()))
            .collect();
    } else {
        user.gid = find_group(group_name, group)?;
    }
    for extra in add {
        user.groups.push(find_group(extra, group)?);
    }
    // So that taking the group away does not give what it kept out (CVE-2022-36109).
    user.groups.push(user.gid);
    user.groups.sort_unstable();
    user.groups.dedup();
    Ok(user)
}

fn find_group(name: &str, group: &[u8]) -> Result<u32, UserError> {
    let entry = lines(group).find(|fields| fields[0] == name);
    match entry.and_then(|fields| fields.get(2).and_then(|text| text.parse::<i64>().ok())) {
        Some(number) => id(number),
        None => id(name.parse().map_err(|_| UserError::NoGroup(name.to_string()))?),
    }
}

fn id(number: i64) -> Result<u32, UserError> {
    u32::try_from(number).ok().filter(|&id| id <= i32::MAX as u32).ok_or(UserError::Range)
}

/// The lines of a passwd or group file as fields; what is not UTF-8, empty or a comment is not a line of either.
fn lines(file: &[u8]) -> impl Iterator<Item = Vec<&str>> {
    file.split(|&b| b == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n# note\nweb:x:33:34:web:/var/www:/bin/sh\nbroken\n";
    const GROUP: &[u8] = b"root:x:0:\nweb:x:34:\naudio:x:29:web,root\nstaff:x:50:web\n";

    fn who(wanted: &str, add: &[&str]) -> String {
        let add: Vec<String> = add.iter().map(|name| name.to_string()).collect();
        match resolve(wanted, PASSWD, GROUP, &add) {
            Ok(user) => format!("{}:{} {:?} {}", user.uid, user.gid, user.groups, user.home),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_and_numbers_mean_what_docker_takes_them_for() {
        assert_eq!(who("", &[]), "0:0 [0, 29] /root");
        assert_eq!(who("web", &[]), "33:34 [29, 34, 50] /var/www");
        assert_eq!(who("33", &["70", "staff"]), "33:34 [29, 34, 50, 70] /var/www");
        assert_eq!(who("web:root", &[]), "33:0 [0] /var/www");
        assert_eq!(who("1000", &[]), "1000:0 [0] /");
        assert_eq!(who("1000:1001", &[]), "1000:1001 [1001] /");
        assert_eq!(who("nobody", &[]), "unable to find user nobody: no matching entries in passwd file");
        assert_eq!(who("web:nogroup", &[]), "unable to find group nogroup: no matching entries in group file");
        assert_eq!(who("broken", &[]), "the passwd entry of user broken does not say its numbers");
        assert_eq!(who("4294967296", &[]), "uids and gids must be in range 0-2147483647");
    }
}
