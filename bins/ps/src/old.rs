//! The columns of old dockers (moby v0.6.4 commands.go CmdPs; v1.2.0 api/client/commands.go CmdPs).
//!
//! They called an image by the first of all its names, whatever was typed (moby v0.6.4 tags.go, v1.2.0 graph/tags.go,
//! ImageName and ByID).

use cli::table::Table;
use cli::{Era, Row, human};
use model::{Container, Image, PortBinding, Status, Timestamp};

use crate::args::Args;
use crate::row::plain_command;

/// The table of that docker.
pub fn table<'a>(
    era: Era,
    args: &Args,
    images: &[Image],
    rows: impl Iterator<Item = (Row, &'a &'a Container)>,
) -> String {
    let mut table = Table::old(header(era).iter().copied().chain(args.size.then_some("SIZE")));
    for (row, container) in rows {
        let field = |name: &str| row.fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_string();
        let mut cells = vec![
            field("ID"),
            image(container, images),
            command(era, container, args.no_trunc),
            field("RunningFor"),
            status(era, container),
        ];
        cells.push(ports(era, &container.ports));
        if era == Era::V1_2_0 {
            cells.push(field("Names"));
        }
        if args.size {
            cells.push(field("Size"));
        }
        table.row(cells);
    }
    table.text()
}

fn header(era: Era) -> &'static [&'static str] {
    match era {
        Era::V0_6_4 => &["ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS"],
        Era::V1_2_0 => &["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"],
    }
}

fn image(container: &Container, images: &[Image]) -> String {
    let Some(id) = &container.image_id else { return container.image.clone() };
    let meant = images.iter().find(|image| image.store == container.store && image.id == *id);
    let first = meant.and_then(|image| image.tags.first());
    first.cloned().unwrap_or_else(|| id.short().to_string())
}

// Both joined the words with spaces and cut at twenty without a mark; 1.2 put the command in quotes.
fn command(era: Era, container: &Container, no_trunc: bool) -> String {
    let command = match era {
        Era::V0_6_4 => [std::slice::from_ref(&container.path), &container.args].concat().join(" "),
        Era::V1_2_0 => plain_command(container),
    };
    let cut: String = if no_trunc { command } else { command.chars().take(20).collect() };
    match era {
        Era::V0_6_4 => cut,
        Era::V1_2_0 => cli::format::quoted(&cut),
    }
}

fn status(era: Era, container: &Container) -> String {
    let state = &container.state;
    let now = human::now();
    let code = state.exit_code.unwrap_or(0);
    let since = |time: Option<Timestamp>| time.map_or_else(|| "?".into(), |time| human::between(time, now));
    match (state.status, era) {
        (Status::Running, _) => format!("Up {}", since(state.started)),
        (Status::Paused, _) => format!("Up {} (Paused)", since(state.started)),
        (Status::Restarting, _) => format!("Restarting ({code}) {} ago", since(state.finished)),
        (_, Era::V0_6_4) => format!("Exit {code}"),
        (Status::Exited, Era::V1_2_0) => format!("Exited ({code}) {} ago", since(state.finished)),
        (_, Era::V1_2_0) => String::new(),
    }
}

/// 0.6 named no address, nor the protocol where it is tcp.
fn ports(era: Era, ports: &[PortBinding]) -> String {
    match era {
        Era::V0_6_4 => ports.iter().filter_map(first_port).collect::<Vec<_>>().join(", "),
        Era::V1_2_0 => crate::ports::shown(ports),
    }
}

fn first_port(port: &PortBinding) -> Option<String> {
    let (_, public) = port.host?;
    let protocol =
        if port.protocol == model::Protocol::Tcp { String::new() } else { format!("/{}", port.protocol.word()) };
    Some(format!("{public}->{}{protocol}", port.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_2013_are_bare() {
        let port = |protocol| PortBinding { port: 6379, protocol, host: Some((None, 49153)) };
        assert_eq!(
            ports(Era::V0_6_4, &[port(model::Protocol::Tcp), port(model::Protocol::Udp)]),
            "49153->6379, 49153->6379/udp"
        );
    }
}
