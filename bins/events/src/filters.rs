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
    let (action, id, name, image) =
        (text(&event["Action"]), text(&event["id"]), text(&attributes["name"]), text(&attributes["image"]));
    let labels: Vec<(String, String)> =
        attributes.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
    filters
        .any("container", |value| name == value.trim_start_matches('/') || !value.is_empty() && id.starts_with(value))
        && filters.any("event", |value| action == value || action.split(':').next() == Some(value))
        && filters.any("image", |value| image == value || image.split(':').next() == Some(value))
        && filters.any("type", |value| event["Type"] == value)
        && filters.any("scope", |value| event["scope"] == value)
        && filters.labels(&labels)
        && !["network", "volume", "plugin"].iter().any(|key| filters.has(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_are_dockers() {
        let event = json!({"Action": "health_status: healthy", "id": "abc123", "Type": "container", "scope": "local",
            "Actor": {"Attributes": {"name": "web", "image": "base:1", "tier": "db"}}});
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
