//! Where a container's log lies.
//!
//! moby v20.10.24: daemon/logger/jsonfilelog (LogPath), daemon/logger/local (local-logs/container.log), container/
//! container.go (container-cached.log for drivers that keep nothing here). Before 0.5.1 there were two raw files
//! (container.go, v0.5.0).

use hostfs::Root;
use model::{Container, HostPath, LogForm, LogPlace, Store};
use serde::Deserialize;

use crate::Found;
use crate::docker::folders;
use crate::json::{self, Loose, Notes};

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    log_config: Loose<LogConfig>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct LogConfig {
    r#type: Loose<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Record {
    log_path: Loose<String>,
    config: Loose<Config>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    tty: Loose<bool>,
}

/// The place of a container's log, by its records and by what is there.
pub(crate) fn place(root: &Root, store: &Store, container: &Container) -> Found<LogPlace> {
    let folder = folders::of(store, &container.id);
    let mut notes = Notes::new(format!("container {}", container.id.short()), &container.record);
    let record: Record = json::read(root, &container.record, &mut notes)
        .and_then(|raw| json::parse(&raw, &mut notes))
        .unwrap_or_default();
    let settings = folder.join("hostconfig.json");
    let host: HostConfig = json::read_if_there(root, &settings, &mut notes)
        .and_then(|raw| json::parse(&raw, notes.at(&settings)))
        .unwrap_or_default();
    let driver = host.log_config.take("LogConfig", &mut notes).r#type.take("LogConfig.Type", &mut notes);
    let driver = if driver.is_empty() { "json-file".to_string() } else { driver };
    let terminal = record.config.take("Config", &mut notes).tty.take("Config.Tty", &mut notes);
    let recorded = record.log_path.take("LogPath", &mut notes);
    let (file, form) = file(root, store, container, &driver, &recorded);
    (LogPlace { driver, file, form, terminal, whole_seconds: false }, notes.list)
}

fn file(
    root: &Root,
    store: &Store,
    container: &Container,
    driver: &str,
    recorded: &str,
) -> (Option<HostPath>, LogForm) {
    let folder = folders::of(store, &container.id);
    let usual = folder.join(format!("{}-json.log", container.id.as_str()));
    match driver {
        "json-file" => {
            let told = store.evidence_of(recorded.as_bytes()).filter(|path| !recorded.is_empty() && root.exists(path));
            let raw = folder.join(format!("{}-stdout.log", container.id.as_str()));
            match told {
                Some(path) => (Some(path), LogForm::JsonFile),
                None if !root.exists(&usual) && root.exists(&raw) => (Some(raw), LogForm::Raw),
                None => (Some(usual), LogForm::JsonFile),
            }
        }
        "local" => (Some(folder.join("local-logs/container.log")), LogForm::Local),
        _ => {
            let cached = folder.join("container-cached.log");
            (root.exists(&cached).then_some(cached), LogForm::Local)
        }
    }
}
