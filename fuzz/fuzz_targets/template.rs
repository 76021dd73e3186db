//! A Go template is refused, or runs on a row of every kind of value.

#![no_main]

use cli::Template;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let row = serde_json::json!({"ID": "4f1c", "Names": ["a", "b"], "State": {"Pid": 7, "Dead": false, "Error": null}});
    if let Ok(template) = Template::parse(text) {
        let _ = template.run(&row);
    }
});
