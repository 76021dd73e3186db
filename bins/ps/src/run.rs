//! The work: which containers, in which form.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Context;
use cli::{Findings, Format, Outcome, Rows};
use host::Host;
use model::{Container, Generation, Id, Image};

use crate::args::Args;
use crate::filters::{self, Picker};
use crate::{old, row, size};

const USUAL: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

/// Lists the containers.
pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let filters = filters::read(&args)?;
    if args.size {
        userns::enter_whole(&args.root.path());
    }
    let mut host = Host::open(&args.root.path())?;
    let format = Format::parse(Some(&template(&args, host.stores().len() > 1)), USUAL)?;
    let mut findings = Findings::from(host.take_findings());
    let wanted: Vec<&str> =
        row::HEADERS.iter().map(|(name, _)| *name).filter(|name| args.era.is_some() || !format.spares(name)).collect();
    // Docker shows the names that links give only where nothing is shortened.
    let with_links = args.era.is_some() || filters.has("name") || args.no_trunc && wanted.contains(&"Names");
    let containers = findings.take(if with_links { host.containers() } else { host.containers_without_links() });
    let images = findings.take(host.images());
    let picker = Picker::new(&filters, &host, &containers, &images)?;
    let mut shown: Vec<&Container> = containers.iter().filter(|container| picker.takes(container)).collect();
    limit(&args, filters.has("status"), &mut shown);

    let sizes = if args.size || format.uses("Size") && args.format.as_deref() != Some("json") && !args.quiet {
        shown.iter().map(|container| size::of(&host, container, &images, &mut findings)).collect()
    } else {
        Vec::new()
    };
    let mut names = Names::new(&host, &images);
    let called: Vec<String> = match wanted.contains(&"Image") {
        true => shown.iter().map(|container| names.image(container)).collect(),
        false => vec![String::new(); shown.len()],
    };
    let labels = !matches!(format, Format::Json) && !format.spares("Label");
    let make = |n: usize| {
        let size = sizes.get(n).copied().flatten();
        let seen = row::Seen { host: &host, image: &called[n], size, labels, trunc: !args.no_trunc };
        row::row(shown[n], &seen, &wanted)
    };
    let mut out = cli::stdout();
    match args.era {
        Some(era) if !args.quiet => {
            let rows = (0..shown.len()).map(make).zip(&shown);
            out.write_all(old::table(era, &args, &images, rows).as_bytes()).and_then(|()| out.flush())?
        }
        _ => Rows { kind: "*formatter.ContainerContext", headers: row::HEADERS, format: &format }
            .print_each(&mut out, shown.len(), make)
            .context("cannot list containers")?,
    }
    Ok(findings.into())
}

fn template(args: &Args, several_stores: bool) -> String {
    let size = if args.size { "\t{{.Size}}" } else { "" };
    let store = if several_stores { "\t{{.Store}}" } else { "" };
    match args.format.as_deref() {
        _ if args.quiet => "{{.ID}}".into(),
        None | Some("" | "table") => format!("table {USUAL}{size}{store}"),
        Some(given) => given.into(),
    }
}

/// What was not running is shown only when asked for, in one of docker's ways to ask.
fn limit(args: &Args, by_status: bool, shown: &mut Vec<&Container>) {
    let last = if args.latest { 1 } else { args.last };
    match usize::try_from(last) {
        Ok(last) => shown.truncate(last),
        Err(_) if !args.all && !by_status && args.since.is_none() && args.before.is_none() => {
            shown.retain(|c| c.state.status.is_live())
        }
        Err(_) => {}
    }
}

/// What containers' images are called. Docker shows the recorded name while it still means the same image, else the id.
struct Names<'a> {
    host: &'a Host,
    images: &'a [Image],
    by_store: HashMap<usize, Vec<Image>>,
    known: HashMap<(usize, String), Option<Id>>,
}

impl<'a> Names<'a> {
    fn new(host: &'a Host, images: &'a [Image]) -> Names<'a> {
        Names { host, images, by_store: HashMap::new(), known: HashMap::new() }
    }

    fn image(&mut self, container: &Container) -> String {
        let Some(id) = &container.image_id else { return container.image.clone() };
        let bare = container.image.strip_prefix("sha256:").unwrap_or(&container.image);
        if bare.is_empty()
            || bare == id.as_str()
            || self.means(container).as_ref() == Some(id)
            || self.keeps_name(container)
        {
            return container.image.clone();
        }
        full(id)
    }

    /// Docker 1.6 to 1.8 showed the recorded name whatever became of it. Their records have labels, as those before have
    /// not, and no networks, as those after have.
    fn keeps_name(&self, container: &Container) -> bool {
        let is_graph = self.host.store(container.store).generation == Generation::DockerGraph;
        let has_labels = || {
            layout::inspect_container(self.host.root(), self.host.stores(), container).0["Config"]
                .get("Labels")
                .is_some()
        };
        is_graph && container.networks.is_empty() && has_labels()
    }

    fn means(&mut self, container: &Container) -> Option<Id> {
        let (store, images) = (container.store, self.images);
        let of_store = self
            .by_store
            .entry(store)
            .or_insert_with(|| images.iter().filter(|image| image.store == store).cloned().collect());
        let key = (store, container.image.clone());
        self.known
            .entry(key)
            .or_insert_with(|| host::lookup::image(of_store, &container.image).ok().map(|at| of_store[at].id.clone()))
            .clone()
    }
}

fn full(id: &Id) -> String {
    if id.is_full() { format!("sha256:{id}") } else { id.to_string() }
}
