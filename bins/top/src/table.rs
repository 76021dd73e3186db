//! `ps`'s output as a table: its lines, cut at spaces into as many columns as it has titles.

use anyhow::{Result, bail};

/// The titles, then the rows of these processes (moby v20.10.24 daemon/top_unix.go parsePSOutput).
pub fn of(output: &str, own: &[i32]) -> Result<Vec<Vec<String>>> {
    let mut lines = output.lines();
    let titles: Vec<String> = lines.next().unwrap_or_default().split_whitespace().map(str::to_string).collect();
    let Some(pid) = titles.iter().position(|title| title == "PID") else {
        bail!("Couldn't find PID field in ps output");
    };
    let mut rows = vec![titles];
    let mut is_own = false;
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.get(pid).copied() {
            // Threads are shown by a dash; they belong to the process before them.
            Some("-") => {}
            Some(text) => match text.parse::<i32>() {
                Ok(number) => is_own = own.contains(&number),
                Err(_) => bail!("Unexpected pid '{text}'"),
            },
            None => continue,
        }
        if is_own {
            let last = rows[0].len() - 1;
            let (few, rest) = fields.split_at(last.min(fields.len()));
            rows.push(few.iter().map(|field| field.to_string()).chain([rest.join(" ")]).collect());
        }
    }
    Ok(rows)
}

/// As docker's client shows it: columns of 20 characters at least, three spaces between them (docker/cli v20.10
/// cli/command/container/top.go).
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (longest.unwrap_or(0) + 3).max(20)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let cell = model::path::shown(cell.as_bytes());
            out.push_str(&cell);
            if at + 1 < columns {
                out.extend(std::iter::repeat_n(' ', widths[at].saturating_sub(cell.chars().count())));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes_are_shown() {
        let output = "UID   PID  CMD\nroot    1  init\nuser   22  sh -c  x\nuser    -  a thread\nroot   23  cat\n";
        let rows = of(output, &[22]).unwrap();
        assert_eq!(rows, [vec!["UID", "PID", "CMD"], vec!["user", "22", "sh -c x"], vec!["user", "-", "a thread"]]);
        assert_eq!(
            aligned(&rows),
            "UID                 PID                 CMD\nuser                22                  sh -c x\nuser                -                   a thread\n"
        );
        assert!(of("TTY\n?\n", &[1]).is_err());
    }
}
