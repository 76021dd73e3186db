//! Docker's managed plugins, since 1.13: `plugins/<id>/config.json`, each with its `rootfs` beside it (moby v20.10.24
//! plugin/manager.go, plugin/v2/plugin.go); in 1.12 one `plugins.json` for all (plugin/manager_experimental.go, v1.12.6).

use hostfs::Root;
use model::{HostPath, Id, Store};
use serde_json::{Value, json};

use crate::Found;
use crate::json::{self as record, Notes};

/// The plugins of a store's folder, by id, in the shape of docker's inspect of one.
pub(crate) fn plugins(root: &Root, store: &Store) -> Found<Vec<Value>> {
    let home = store.home.join("plugins");
    let mut notes = Notes::new("plugins", &home);
    let entries = root.open_dir(&home).ok().and_then(|dir| dir.entries().ok()).unwrap_or_default();
    let ids = entries.iter().filter_map(|entry| Id::new(std::str::from_utf8(&entry.name).ok()?));
    let mut ids: Vec<Id> = ids.filter(|id| id.as_str().len() == 64).collect();
    ids.sort();
    let mut out: Vec<Value> = ids.iter().filter_map(|id| one(root, &home, id, &mut notes)).collect();
    out.extend(first(root, &home, &mut notes));
    (out, notes.list)
}

fn one(root: &Root, home: &HostPath, id: &Id, notes: &mut Notes) -> Option<Value> {
    let path = home.join(id.as_str()).join("config.json");
    let record = record::read_value(root, &path, notes.at(&path))?;
    let Some(Value::Object(mut plugin)) = record.get("plugin").cloned() else {
        notes.at(&path).add("record-damaged", "it has no plugin".to_string());
        return None;
    };
    if !plugin.contains_key("PluginReference")
        && let Some(name) = plugin.get("Name").cloned()
    {
        plugin.insert("PluginReference".into(), name);
    }
    let files = home.join(id.as_str()).join("rootfs");
    let files = root.is_dir(&files).then(|| files.to_string());
    plugin.insert(
        "Dockless".into(),
        json!({ "Record": path.to_string(), "Files": files, "Manifest": record.get("Manifest") }),
    );
    Some(plugin.into())
}

/// Those of docker 1.12, whose table is keyed by id.
fn first(root: &Root, home: &HostPath, notes: &mut Notes) -> Vec<Value> {
    let path = home.join("plugins.json");
    if !root.exists(&path) {
        return Vec::new();
    }
    let Some(Value::Object(table)) = record::read_value(root, &path, notes.at(&path)) else { return Vec::new() };
    table
        .into_iter()
        .map(|(id, entry)| {
            let mut shown = entry.get("plugin").or(entry.get("P")).unwrap_or(&entry).clone();
            if let Value::Object(plugin) = &mut shown {
                plugin.entry("Id").or_insert(id.into());
                plugin.insert("Dockless".into(), json!({ "Record": path.to_string() }));
            }
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_shown_as_recorded_and_a_damaged_one_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let id = |digit: &str| digit.repeat(64);
        for (digit, text) in
            [("a", "{"), ("b", r#"{"plugin":{"Id":"b","Name":"me/p:1","Enabled":true},"Manifest":"sha256:1"}"#)]
        {
            let folder = dir.path().join("plugins").join(id(digit));
            std::fs::create_dir_all(folder.join("rootfs")).unwrap();
            std::fs::write(folder.join("config.json"), text).unwrap();
        }
        std::fs::create_dir_all(dir.path().join("plugins/storage")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let store = Store { home: HostPath::default(), ..crate::document::nowhere() };
        let (found, findings) = plugins(&root, &store);
        let record = format!("plugins/{}/config.json", id("b"));
        let files = format!("plugins/{}/rootfs", id("b"));
        let added = json!({ "Record": record, "Files": files, "Manifest": "sha256:1" });
        let wanted =
            json!([{ "Id": "b", "Name": "me/p:1", "Enabled": true, "PluginReference": "me/p:1", "Dockless": added }]);
        assert_eq!(Value::from(found), wanted);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].to_string().contains(&id("a")), "{findings:?}");
    }
}
