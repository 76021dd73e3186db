//! How an event is shown (docker/cli v20.10 cli/command/system/events.go).

use cli::format::Methods;
use cli::{Template, json};
use model::{Timestamp, path::shown};
use serde_json::{Map, Value};

use crate::records::time;

/// One of docker's ways to show events.
pub enum Form {
    /// A line for people.
    Line,
    /// An object a line.
    Json,
    /// By a template.
    Template(Template),
}

impl Form {
    /// Reads what `--format` was given.
    pub fn parse(given: Option<&str>) -> anyhow::Result<Form> {
        Ok(match given.unwrap_or_default() {
            "" => Form::Line,
            "json" | "{{json .}}" => Form::Json,
            template => Form::Template(Template::parse(template)?),
        })
    }

    /// An event as text, without a newline.
    pub fn text(&self, event: &Value) -> anyhow::Result<String> {
        Ok(match self {
            Form::Line => line(event),
            Form::Json => json::line(event),
            Form::Template(template) => shown(template.run_with(&in_go(event), &Message)?.as_bytes()).into_owned(),
        })
    }
}

fn line(event: &Value) -> String {
    let text = |value: &Value| shown(value.as_str().unwrap_or_default().as_bytes()).into_owned();
    let mut line = format!(
        "{} {} {} {}",
        local(time(event)),
        text(&event["Type"]),
        text(&event["Action"]),
        text(&event["Actor"]["ID"])
    );
    let attributes: Vec<String> = event["Actor"]["Attributes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{}={}", shown(name.as_bytes()), text(value)))
        .collect();
    if !attributes.is_empty() {
        line.push_str(&format!(" ({})", attributes.join(", ")));
    }
    line
}

/// The time here, with all nine digits; `Z` for UTC, as Go writes it.
fn local(time: Timestamp) -> String {
    let Ok(instant) = jiff::Timestamp::new(time.seconds, i32::try_from(time.nanos).unwrap_or(0)) else {
        return time.rfc3339_nine();
    };
    let here = instant.to_zoned(jiff::tz::TimeZone::system());
    if here.offset().seconds() == 0 {
        return time.rfc3339_nine();
    }
    here.strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string()
}

/// What an event is in Go: a struct, so that a wrong field is told, with a map of attributes, where one that is not there is none.
struct Message;

impl Methods for Message {
    fn call(&self, _name: &str, _args: &[&str]) -> Option<String> {
        None
    }

    fn kind(&self) -> &'static str {
        "*events.Message"
    }
}

/// The event under the names that its fields have in Go, for templates.
fn in_go(event: &Value) -> Value {
    let mut fields: Map<String, Value> = event.as_object().cloned().unwrap_or_default();
    for (go, json) in [
        ("Status", "status"),
        ("ID", "id"),
        ("From", "from"),
        ("Scope", "scope"),
        ("Time", "time"),
        ("TimeNano", "timeNano"),
    ] {
        let value = fields.remove(json).unwrap_or_default();
        fields.insert(go.to_string(), value);
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_read_as_dockers() {
        let event = lifecycle::events::event(
            &json!({"ID": "abc", "Name": "/web", "Config": {"Image": "base:1"}}),
            "die",
            &[("exitCode", "3".to_string())],
            Timestamp::new(0, 5),
        );
        let text = |form: &str| Form::parse(Some(form)).unwrap().text(&event).unwrap();
        assert!(text("").ends_with(" container die abc (exitCode=3, image=base:1, name=web)"), "{}", text(""));
        assert_eq!(text("{{.Action}} {{.Actor.Attributes.name}} {{.TimeNano}} {{.ID}}"), "die web 5 abc");
        assert_eq!(text("json"), text("{{json .}}"));
        assert_eq!(text("{{.Actor.Attributes.none}}"), "<no value>");
        let wrong = Form::parse(Some("{{.None}}")).unwrap().text(&event).unwrap_err().to_string();
        assert!(wrong.ends_with("can't evaluate field None in type *events.Message"), "{wrong}");
    }
}
