//! What a daemon's command line says of where its data lies: in a systemd unit, a file of variables, a script.

/// What command lines name.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Named {
    /// Data roots.
    pub homes: Vec<String>,
    /// Files of settings (`dockerd --config-file`).
    pub settings: Vec<String>,
    /// Files of containerd's settings (`containerd --config`).
    pub containerd: Vec<String>,
}

/// What the lines of `text` name, in all spellings of the flags; a line that ends in a backslash goes on in the next. What
/// is commented out counts too: the folder may still be there.
pub(super) fn named(text: &str) -> Named {
    let mut named = Named::default();
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
        look_at(&words(line.trim_start_matches([' ', '\t', '#', ';'])), &mut named);
    }
    named
}

fn look_at(words: &[String], named: &mut Named) {
    let has = |name: &str| words.iter().any(|word| word.rsplit(['/', '=']).next() == Some(name));
    let (is_containerd, is_k3s) = (has("containerd"), has("k3s") || has("rke2"));
    for (at, word) in words.iter().enumerate() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word.as_str(), words.get(at + 1).map(String::as_str)),
        };
        match (flag, value) {
            ("-g" | "--graph" | "-graph" | "--data-root", Some(value)) => named.homes.push(value.to_string()),
            ("--root", Some(value)) if is_containerd => named.homes.push(value.to_string()),
            ("--data-dir" | "-d", Some(value)) if is_k3s => named.homes.push(format!("{value}/agent/containerd")),
            ("--config-file", Some(value)) => named.settings.push(value.to_string()),
            ("--config" | "-c", Some(value)) if is_containerd => named.containerd.push(value.to_string()),
            (_, Some(value)) if is_variable(flag) && word.contains('=') => look_at(&self::words(value), named),
            _ => named.homes.extend(word.strip_prefix("-g").filter(|rest| rest.starts_with('/')).map(str::to_string)),
        }
    }
}

/// Whether what stands before a `=` is a name that a value is given, not a flag.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The words of a line, quotes taken off; a quote that is not ended ends with the line.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            _ if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            '\\' if quote != Some('\'') => word.get_or_insert_default().extend(rest.next()),
            _ if c.is_whitespace() && quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_flag_is_known() {
        for line in [
            "ExecStart=/usr/bin/dockerd -g /srv/d -H fd://",
            "DOCKER_OPTS=\"--graph=/srv/d\"",
            "DOCKER_OPTS=\"--dns 8.8.8.8 --graph=/srv/d\"",
            "#DOCKER_OPTS='-g \"/srv/d\"'",
            "Environment=\"DOCKER_OPTS=-g=/srv/d\"",
            "dockerd --data-root /srv/d",
            "'--data-root=/srv/d'",
            "ExecStart=/usr/bin/dockerd \\\n  --data-root=\"/srv/d\" -H fd://",
            "ExecStart=/usr/bin/dockerd \\\r\n  -g/srv/d",
            "ExecStart=/usr/bin/containerd --root /srv/d",
            "ExecStart=-/usr/local/bin/containerd --root=/srv/d --config /etc/c.toml",
        ] {
            assert_eq!(named(line).homes, ["/srv/d"], "{line}");
        }
        assert_eq!(named("ExecStart=/bin/dockerd --data-root='/srv/d e'").homes, ["/srv/d e"]);
        assert_eq!(named("ExecStart=/usr/local/bin/k3s server --data-dir /srv").homes, ["/srv/agent/containerd"]);
    }

    #[test]
    fn other_words_name_nothing() {
        for line in ["dockerd --log-level=debug -g", "rsync --root /srv -d /x", "# don't", "\\", "=", "a==b", ""] {
            assert_eq!(named(line), Named::default(), "{line}");
        }
    }

    #[test]
    fn files_of_settings_are_named_too() {
        let found = named("dockerd --config-file=/a.json\ncontainerd -c /b.toml\nother -c /d");
        assert_eq!((found.settings, found.containerd), (vec!["/a.json".to_string()], vec!["/b.toml".to_string()]));
    }
}
