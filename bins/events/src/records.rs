//! What records tell of the past: when a container was made, last started, and last ended.

use host::Host;
use lifecycle::events::event;
use model::{Finding, Status, Timestamp};
use serde_json::{Value, json};

/// What one journal's moment may differ from a record's.
const SAME: i64 = 2_000_000_000;

/// The events that the records of all containers tell, but for those that are `known` already.
pub fn tell(host: &Host, known: &[Value], findings: &mut Vec<Finding>) -> Vec<Value> {
    let (containers, more) = host.containers();
    findings.extend(more);
    let mut told = Vec::new();
    for container in &containers {
        let record = json!({
            "Id": container.id.as_str(),
            "Name": container.names.first().cloned().unwrap_or_default(),
            "Config": { "Image": container.image, "Labels": labels(&container.labels) },
        });
        let state = &container.state;
        let ended = matches!(state.status, Status::Exited | Status::Dead).then_some(state.finished).flatten();
        let code = state.exit_code.map(|code| ("exitCode", code.to_string()));
        for (action, time, more) in
            [("create", container.created, None), ("start", state.started, None), ("die", ended, code)]
        {
            if let Some(time) = time.filter(|time| !time.is_zero()) {
                told.push(event(&record, action, more.as_slice(), time));
            }
        }
    }
    told.retain(|event| !known.iter().any(|other| is_same(event, other)));
    told
}

fn labels(labels: &[(String, String)]) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}

fn is_same(a: &Value, b: &Value) -> bool {
    let apart = a["timeNano"].as_i64().unwrap_or(0).abs_diff(b["timeNano"].as_i64().unwrap_or(0));
    a["Action"] == b["Action"] && a["id"] == b["id"] && apart <= SAME as u64
}

/// When an event happened.
pub fn time(event: &Value) -> Timestamp {
    let nanos = event["timeNano"].as_i64().unwrap_or(0);
    Timestamp::new(nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000) as u32)
}
