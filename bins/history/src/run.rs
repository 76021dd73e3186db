//! The work: the steps of one image (docker/cli v28, cli/command/formatter/history.go for its rows).

use std::io::Write;

use anyhow::Context;
use cli::format::Column;
use cli::table::Table;
use cli::{Era, Findings, Format, Outcome, Row, Rows, human};
use host::Host;
use layout::HistoryEntry;
use model::{Generation, Store, Timestamp};

use crate::args::Args;

const USUAL: &str = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
const EXACT: &str = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
/// How much of a command a table shows.
const COMMAND: usize = 45;

const HEADERS: &[Column] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
    ("Created", "CREATED"),
    ("SizeBytes", "SIZE"),
    ("ImageID", "IMAGE ID"),
    ("Tags", "TAGS"),
];

/// Shows the history of an image.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let usual = if args.human { USUAL } else { EXACT };
    let format = Format::parse(if args.quiet { Some("{{.ID}}") } else { args.format.as_deref() }, usual)?;
    let mut host = Host::open(&args.root.path())?;
    let mut findings = Findings::from(host.take_findings());
    let image = findings.take(host.image(&args.image)?);
    let store = host.store(image.store);
    let steps = findings.take(layout::history(host.root(), store, &image));
    let mut out = cli::stdout();
    match args.era {
        Some(era) if !args.quiet => {
            out.write_all(old(era, &steps, args.no_trunc).as_bytes()).and_then(|()| out.flush())?
        }
        _ => Rows { kind: "*formatter.historyContext", headers: HEADERS, format: &format }
            .print(&mut out, steps.iter().map(|step| row(step, store, &args)))
            .context("cannot show the history")?,
    }
    Ok(findings.into())
}

fn row(step: &HistoryEntry, store: &Store, args: &Args) -> Row {
    let command = step.created_by.replace('\t', " ");
    let size = step.size.unwrap_or(0);
    Row::new([
        ("ID", id(step, store, args.no_trunc).into()),
        ("CreatedSince", human::ago(step.created, human::now()).into()),
        ("CreatedAt", step.created.map(seconds).into()),
        ("CreatedBy", if args.no_trunc { command } else { human::ellipsis(&command, COMMAND) }.into()),
        ("Size", if args.human { human::size(size) } else { size.to_string() }.into()),
        ("Comment", step.comment.as_str().into()),
        ("Created", step.created.map(Timestamp::rfc3339).into()),
        ("SizeBytes", step.size.into()),
        ("ImageID", step.id.as_ref().map(ToString::to_string).into()),
        ("Tags", step.tags.clone().into()),
    ])
}

/// RFC 3339 in whole seconds, as docker writes these.
fn seconds(time: Timestamp) -> String {
    Timestamp::new(time.seconds, 0).rfc3339()
}

fn id(step: &HistoryEntry, store: &Store, whole: bool) -> String {
    match &step.id {
        None => "<missing>".into(),
        // Docker 0.6 shortened these in its answers already.
        Some(id) if store.generation == Generation::DockerFirst => id.short().into(),
        Some(id) if !whole => id.short().into(),
        Some(id) if store.generation == Generation::DockerGraph || !id.is_full() => id.to_string(),
        Some(id) => format!("sha256:{id}"),
    }
}

/// The table of an old docker (moby v0.6.4 commands.go and v1.2.0 api/client/commands.go, CmdHistory).
fn old(era: Era, steps: &[HistoryEntry], whole: bool) -> String {
    let mut table = match era {
        Era::V0_6_4 => Table::old(["ID", "CREATED", "CREATED BY"]),
        Era::V1_2_0 => Table::old(["IMAGE", "CREATED", "CREATED BY", "SIZE"]),
    };
    for step in steps {
        let id = step.id.as_ref().map_or("<missing>", |id| if whole { id.as_str() } else { id.short() });
        let command: String =
            if whole { step.created_by.clone() } else { step.created_by.chars().take(COMMAND).collect() };
        let ago = human::ago(step.created, human::now());
        match era {
            // The first name stood in the id's place.
            Era::V0_6_4 => table.row([step.tags.first().map_or(id, String::as_str), &ago, &command]),
            Era::V1_2_0 => table.row([id, &ago, &command, &human::size_spaced(step.size.unwrap_or(0))]),
        }
    }
    table.text()
}
