//! One damaged record hides no other: each harm keeps all other rows as they were, is named, and ends with status 3.

mod harm;

use std::collections::BTreeMap;

use harm::{Host, Lab};
use serde_json::Value;

/// What a harm must leave.
struct Harm {
    name: &'static str,
    /// Words of which one names the damage.
    words: Vec<String>,
    /// Whether `ps` itself must say it; otherwise `images`, `inspect` or `export` may.
    by_ps: bool,
    /// Whether the harmed container must keep its row.
    keeps_row: bool,
}

fn harm(name: &'static str, words: &[&str]) -> Harm {
    Harm { name, words: words.iter().map(ToString::to_string).collect(), by_ps: true, keeps_row: true }
}

impl Harm {
    /// The record may be no longer there to be shown.
    fn without_row(mut self) -> Harm {
        self.keeps_row = false;
        self
    }

    fn not_by_ps(mut self) -> Harm {
        self.by_ps = false;
        self
    }
}

/// Containers by id, as `ps` lists them; `Image` apart, which an image store that is gone changes.
fn rows(host: &Host) -> (BTreeMap<String, Value>, harm::Answer) {
    let answer = host.run(&["ps", "-a", "--no-trunc", "--format", "json"]);
    let id = |row: &Value| row["ID"].as_str().expect("each row has an id").to_string();
    (answer.rows().into_iter().map(|row| (id(&row), row)).collect(), answer)
}

/// The other containers, but those that only a list of containers/storage knows: they go with it.
fn others(rows: &BTreeMap<String, Value>, victim: &str) -> BTreeMap<String, Value> {
    let is_listed_only = |row: &Value| row["Record"].as_str().is_some_and(|path| path.ends_with("containers.json"));
    let rows = rows.iter().filter(|(id, row)| *id != victim && !is_listed_only(row));
    let mut rows: BTreeMap<String, Value> = rows.map(|(id, row)| (id.clone(), row.clone())).collect();
    rows.values_mut().for_each(|row| drop(row.as_object_mut().expect("it is an object").remove("Image")));
    rows
}

/// Holds a harmed host against the rows of the whole one.
fn check(host: &Host, victim: &str, whole: &BTreeMap<String, Value>, harm: &Harm) {
    let (now, ps) = rows(host);
    assert!(now.contains_key(victim) || !harm.keeps_row, "{}: the harmed row", harm.name);
    let (before, after) = (others(whole, victim), others(&now, victim));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{}: the other rows", harm.name);
    for (id, row) in before {
        assert_eq!(row, after[&id], "{}: another row", harm.name);
    }
    assert!(ps.code == Some(3) || ps.code == Some(0) && !harm.by_ps, "{}: ps ended with {:?}", harm.name, ps.code);
    let mut said = ps.err;
    let mut codes = vec![ps.code];
    let asked: [&[&str]; 3] = [&["images", "-a"], &["inspect", "--type", "container", victim], &["export", victim]];
    for words in asked {
        let answer = host.run(words);
        assert!(matches!(answer.code, Some(0 | 1 | 3)), "{}: {words:?} ended with {:?}", harm.name, answer.code);
        if words[0] == "inspect" {
            let shown: Value = serde_json::from_slice(&answer.out).expect("inspect prints JSON");
            assert!(shown.is_array(), "{}: inspect", harm.name);
        }
        said.push_str(&answer.err);
        codes.push(answer.code);
    }
    assert!(codes.contains(&Some(3)), "{}: nothing ended with 3: {codes:?}", harm.name);
    assert!(harm.words.iter().any(|word| said.contains(word)), "{}: not named in: {said}", harm.name);
}

fn named(rows: &BTreeMap<String, Value>, name: &str) -> String {
    let is_it = |row: &Value| row["Names"].as_str().is_some_and(|names| names.split(',').any(|it| it == name));
    rows.iter().find(|(_, row)| is_it(row)).expect("it is on the host").0.clone()
}

/// Harms and what each must leave, on a host of docker's.
fn docker(host: &mut Host, record: &str, layer: &str, images: &str) {
    let (whole, _) = rows(host);
    let victim = named(&whole, "exit3");
    let record = format!("containers/{victim}/{record}");
    let layer = layer.replace("ID", &victim);
    let raw = host.read(&record).trim_ascii_end().to_vec();
    let (short, file) = (victim[..12].to_string(), record.rsplit('/').next().expect("it has a name").to_string());
    let own = [short.as_str(), file.as_str()];
    let each = |host: &mut Host, change: &dyn Fn(&mut Host), harm: Harm| {
        change(host);
        check(host, &victim, &whole, &harm);
        host.mend();
    };
    each(host, &|it| it.put(&record, b""), harm("config empty", &own).without_row());
    each(host, &|it| it.put(&record, &raw[..500]), harm("config truncated", &own).without_row());
    each(host, &|it| it.put(&record, b"no JSON at all"), harm("config no JSON", &own).without_row());
    each(host, &|it| it.take(&record), harm("config missing", &own).without_row());
    each(host, &|it| it.make(&record, "mkfifo", &[], &[]), harm("config a FIFO", &own).without_row());
    each(host, &|it| it.make(&record, "mkdir", &[], &[]), harm("config a folder", &own).without_row());
    each(
        host,
        &|it| it.make(&record, "ln", &["-s", "/etc/hostname"], &[]),
        harm("config a symlink out", &own).without_row(),
    );
    each(host, &|it| it.put("containers/.DS_Store", b"\0"), harm("stray file in containers/", &[".DS_Store"]));
    each(host, &|it| it.take(&layer), harm("layer record missing", &own).not_by_ps());
    each(host, &|it| it.take(images), harm("image store missing", &["image", images, &short]).not_by_ps());
    let strange = |config: &mut Value| config["Driver"] = "strange".into();
    each(host, &|it| it.edit(&record, strange), harm("unknown driver", &["strange", &short]).not_by_ps());
    let absent = |config: &mut Value| drop(config.as_object_mut().map(|all| all.remove("State")));
    each(host, &|it| it.edit(&record, absent), harm("State absent", &[&short, "State"]));
    each(host, &|it| it.edit(&record, |config| config["State"] = Value::Null), harm("State null", &[&short, "State"]));
    let number = |config: &mut Value| config["State"]["StartedAt"] = 5.into();
    each(host, &|it| it.edit(&record, number), harm("StartedAt a number", &[&short, "StartedAt"]));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    each(host, &|it| it.put(&record, deep.as_bytes()), harm("JSON of 100,000 levels", &own).without_row());
    let twice = [&raw[..raw.len() - 1], b",\"Driver\":\"vfs\",\"Driver\":\"aufs\"}"].concat();
    each(host, &|it| it.put(&record, &twice), harm("a key twice", &[&short, "Driver"]));
    let large = [&raw[..raw.len() - 1], b",\"pad\":\"", "A".repeat(17 << 20).as_bytes(), b"\"}"].concat();
    each(host, &|it| it.put(&record, &large), harm("config of 17 MiB", &own).without_row());
    assert_eq!(rows(host).0, whole, "all was put back");
}

#[test]
fn one_damaged_record_hides_no_other() {
    let lab = Lab::new();
    let host = &mut lab.host("docker-20.10.24-overlay2");
    docker(host, "config.v2.json", "image/overlay2/layerdb/mounts/ID", "image/overlay2");
    docker(&mut lab.host("docker-1.2.0-vfs"), "config.json", "vfs/dir/ID", "repositories-vfs");
    podman(&mut lab.host("podman-5.4.2-overlay"));
}

/// The same on podman's.
fn podman(host: &mut Host) {
    let (whole, _) = rows(host);
    let victim = named(&whole, "exit3");
    let short = victim[..12].to_string();
    let record = format!("storage/overlay-containers/{victim}/userdata/config.json");
    let raw = host.read(&record).trim_ascii_end().to_vec();
    let own = [short.as_str(), "config.json"];
    let lists = ["containers/containers.json", "images/images.json", "layers/layers.json"];
    let layers: Value = serde_json::from_slice(&host.read("storage/overlay-containers/containers.json")).expect("JSON");
    let layers = layers.as_array().expect("a list");
    let layer = layers.iter().find(|it| it["id"] == victim.as_str()).expect("it is there")["layer"].clone();
    let layer = layer.as_str().expect("an id").to_string();
    let each = |host: &mut Host, change: &dyn Fn(&mut Host), harm: Harm| {
        change(host);
        check(host, &victim, &whole, &harm);
        host.mend();
    };
    for list in lists {
        let path = format!("storage/overlay-{list}");
        let name = list.rsplit('/').next().expect("it has a name");
        let cut = host.read(&path)[..300].to_vec();
        each(host, &|it| it.put(&path, &cut), harm("a list truncated", &[name]).not_by_ps());
    }
    each(host, &|it| it.put(&record, b""), harm("config empty", &own).not_by_ps());
    each(host, &|it| it.put(&record, &raw[..500]), harm("config truncated", &own).not_by_ps());
    each(host, &|it| it.take(&record), harm("config missing", &own).not_by_ps());
    each(host, &|it| it.make(&record, "mkfifo", &[], &[]), harm("config a FIFO", &own).not_by_ps());
    let out = |it: &mut Host| it.make(&record, "ln", &["-s", "/etc/hostname"], &[]);
    each(host, &out, harm("config a symlink out", &own).not_by_ps());
    let folder = format!("storage/overlay/{layer}");
    each(host, &|it| it.take(&folder), harm("layer folder missing", &[&layer[..12], &short]).not_by_ps());
}
