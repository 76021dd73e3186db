//! Which events are wanted (moby v20.10.24 daemon/events/filter.go).

use cli::Filters;
use serde_json::Value;

/// The keys that there are. Some can fit no event of a container, or every one.
pub const KNOWN: &[&str] =
    &["container", "event", "image", "label", "type", "scope", "daemon", "network", "volume", "plugin"];

/// Whether an event is wanted.
pub fn take(filters: &Filters, event: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let attributes = &event["Actor"]["Attributes"];
    let (action, id, name) = (text(&event["Action"]), text(&event["Actor"]["ID"]), text(&attributes["name"]));
    let image = if event["Type"] == "image" { name.clone() } else { text(&attributes["image"]) };
    // By how the name begins, and whatever the event is of.
    let begins = |value: &str| !value.is_empty() && (name.starts_with(value) || id.starts_with(value));
    let untagged = |name: &str| name.rsplit_once(':').map_or(name.to_string(), |(name, _)| name.to_string());
    let labels: Vec<(String, String)> =
        attributes.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
    filters.any("container", |value| begins(value.trim_start_matches('/')))
        && ["network", "volume", "plugin"].iter().all(|key| filters.any(key, &begins))
        && filters.any("event", |value| action == value || action.split(':').next() == Some(value))
        && filters.any("image", |value| [&image, &id].iter().any(|own| *own == value || untagged(own) == value))
        && filters.any("type", |value| event["Type"] == value)
        && filters.any("scope", |value| event["scope"] == value)
        && filters.labels(&labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_are_dockers() {
        let event = json!({"Action": "health_status: healthy", "id": "abc123", "Type": "container", "scope": "local",
            "Actor": {"ID": "abc123", "Attributes": {"name": "web", "image": "base:1", "tier": "db"}}});
        for (given, fits) in [
            (&["container=web"][..], true),
            (&["container=abc"], true),
            (&["container=bc"], false),
            (&["container=x", "container=web"], true),
            (&["event=health_status"], true),
            (&["event=die"], false),
            (&["image=base"], true),
            (&["image=base:2"], false),
            (&["label=tier"], true),
            (&["label=tier=web"], false),
            (&["type=image"], false),
            (&["network=x"], false),
            (&[], true),
        ] {
            let given: Vec<String> = given.iter().map(|text| text.to_string()).collect();
            assert_eq!(take(&Filters::read(&given, KNOWN).unwrap(), &event), fits, "{given:?}");
        }
    }
}
