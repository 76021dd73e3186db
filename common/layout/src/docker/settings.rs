//! `HostConfig`: what moved there over the years, and the defaults of what a record is too old to have.

use serde_json::{Map, Value};

/// Settings that stood in `Config` and moved: the old key and the new one (runconfig/, moby v0.6.5 to v1.6.0).
const MOVED: [(&str, &str); 6] = [
    ("Memory", "Memory"),
    ("MemorySwap", "MemorySwap"),
    ("CpuShares", "CpuShares"),
    ("Cpuset", "CpusetCpus"),
    ("Dns", "Dns"),
    ("Privileged", "Privileged"),
];

/// Shows moved settings at today's place too, where the record says something and today's place does not.
pub(crate) fn moved(config: &mut Map<String, Value>, host: &mut Map<String, Value>) {
    for (old, new) in MOVED {
        if let Some(value) = config.get(old).filter(|value| !is_empty(value))
            && host.get(new).is_none_or(is_empty)
        {
            host.insert(new.into(), value.clone());
        }
    }
    // Before 0.10 it was one text with commas.
    if let Some(text) = config.get("VolumesFrom").and_then(Value::as_str).filter(|text| !text.is_empty())
        && host.get("VolumesFrom").is_none_or(is_empty)
    {
        host.insert("VolumesFrom".into(), text.split(',').collect::<Vec<_>>().into());
    }
}

/// Whether a value says nothing: null, false, zero, or empty.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}

/// Adds the keys that a record is too old to have, with the value that means what that docker did.
pub(crate) fn complete(host: &mut Map<String, Value>) {
    let defaults: Map<String, Value> = serde_json::from_str(DEFAULTS).expect("the constant is a JSON object");
    for (key, value) in defaults {
        host.entry(key).or_insert(value);
    }
}

/// What a container without any setting has (api/types/container HostConfig, v28.5.2).
const DEFAULTS: &str = r#"{
    "Binds": null, "ContainerIDFile": "", "LogConfig": { "Type": "", "Config": {} }, "NetworkMode": "default", "PortBindings": {},
    "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 }, "AutoRemove": false, "VolumeDriver": "", "VolumesFrom": null,
    "CapAdd": null, "CapDrop": null, "CgroupnsMode": "", "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null, "GroupAdd": null,
    "IpcMode": "", "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "", "Privileged": false, "PublishAllPorts": false,
    "ReadonlyRootfs": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "", "ShmSize": 67108864, "Runtime": "", "Isolation": "",
    "CpuShares": 0, "Memory": 0, "NanoCpus": 0, "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [],
    "BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": [], "DeviceCgroupRules": null, "DeviceRequests": null,
    "MemoryReservation": 0, "MemorySwap": 0, "MemorySwappiness": null, "OomKillDisable": false, "PidsLimit": null, "Ulimits": [],
"CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0, "MaskedPaths": null, "ReadonlyPaths": null}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_of_old_stand_at_todays_place_too() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let mut config =
            object(json!({ "Memory": 5, "Cpuset": "0,1", "Dns": null, "Privileged": true, "VolumesFrom": "a,b" }));
        let mut host = object(json!({ "Memory": 7, "CpusetCpus": "" }));
        moved(&mut config, &mut host);
        assert_eq!(
            Value::from(host),
            json!({ "Memory": 7, "CpusetCpus": "0,1", "Privileged": true, "VolumesFrom": ["a", "b"] })
        );
        assert_eq!(config["Memory"], 5);
    }
}
