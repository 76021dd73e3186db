//! The work: which images, in which form.

use std::io::Write;

use anyhow::Context;
use cli::table::Table;
use cli::{Era, Findings, Format, Outcome, Row, Rows, human};
use host::Host;
use model::Image;

use crate::args::Args;
use crate::filters::Picker;
use crate::row;

const USUAL: &str = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const DIGESTS: &str = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

/// Lists the images.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut host = Host::open(&args.root.path())?;
    let format = Format::parse(Some(&template(&args, host.stores().len() > 1)), USUAL)?;
    let mut findings = Findings::from(host.take_findings());
    let images = findings.take(host.images());
    let picker = Picker::new(&args, &images)?;
    let with_digests = args.digests || args.format.as_ref().is_some_and(|_| format.uses("Digest"));

    let shown: Vec<Image> = images.iter().filter_map(|image| picker.pick(image)).collect();
    let rows = shown.iter().flat_map(|image| {
        let store = host.store(image.store);
        let mut names = row::names(image, with_digests);
        if args.quiet {
            names.truncate(1);
        }
        names.into_iter().map(move |name| (row::row(image, &name, store, !args.no_trunc), image))
    });
    let mut out = cli::stdout();
    match args.era {
        Some(era) if !args.quiet => out.write_all(old(era, rows, &images).as_bytes()).and_then(|()| out.flush())?,
        _ => Rows { kind: "*formatter.imageContext", headers: row::HEADERS, format: &format }
            .print(&mut out, rows.map(|(row, _)| row))
            .context("cannot list images")?,
    }
    Ok(findings.into())
}

fn template(args: &Args, several_stores: bool) -> String {
    let usual = if args.digests { DIGESTS } else { USUAL };
    match args.format.as_deref() {
        _ if args.quiet => "{{.ID}}".into(),
        None | Some("" | "table") => format!("table {usual}{}", if several_stores { "\t{{.Store}}" } else { "" }),
        Some(given) => given.into(),
    }
}

/// The table of an old docker (moby v0.6.4 commands.go and v1.2.0 api/client/commands.go, CmdImages).
fn old<'a>(era: Era, rows: impl Iterator<Item = (Row, &'a Image)>, images: &[Image]) -> String {
    let mut table = Table::old(match era {
        Era::V0_6_4 => ["REPOSITORY", "TAG", "ID", "CREATED", "SIZE"],
        Era::V1_2_0 => ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "VIRTUAL SIZE"],
    });
    for (row, image) in rows {
        let field = |name: &str| row.fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_string();
        let size = match era {
            Era::V0_6_4 => own_and_virtual(image, images),
            Era::V1_2_0 => human::size_spaced(image.size.unwrap_or(0)),
        };
        table.row([field("Repository"), field("Tag"), field("ID"), field("CreatedSince"), size]);
    }
    table.text()
}

/// What the image adds to the one below it, and all of it: `24.65 kB (virtual 180.1 MB)`.
fn own_and_virtual(image: &Image, images: &[Image]) -> String {
    let whole = image.size.unwrap_or(0);
    let below = image
        .parent
        .as_ref()
        .and_then(|parent| images.iter().find(|other| other.id == *parent && other.store == image.store));
    let own = match image.layers.first().and_then(|layer| layer.size) {
        Some(own) if image.parent.is_some() => own,
        _ => whole.saturating_sub(below.and_then(|below| below.size).unwrap_or(0)),
    };
    format!("{} (virtual {})", human::size_spaced(own), human::size_spaced(whole))
}
