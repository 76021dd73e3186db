//! Is docker's store of before 1.10 here?
//!
//! `repositories-<driver>` since 0.7 (runtime.go, moby v0.7.0), `repositories` alone before (v0.6.4). Both may be there
//! beside a newer store: the first start of 1.10 leaves them behind (migrate/v1/migratev1.go, v1.10.0).

use hostfs::Root;
use model::{Driver, Generation, HostPath, Store};

use crate::Found;
use crate::docker::folders;
use crate::home::{Home, usual};

const TABLE: &str = "repositories";

/// The stores of before 1.10 in `home`.
pub(crate) fn detect(it: &Home) -> Found<Vec<Store>> {
    let (root, home) = (it.root, &it.path);
    let tables = tables(it);
    let has_graph = root.is_dir(&home.join("graph"));
    // Nothing but containers: whatever the first of them has, all have.
    if tables.is_empty() && !has_graph && !first_is_old(it) {
        return Default::default();
    }
    let sample = it.sample(folders::BEFORE_1_10);
    let mut drivers: Vec<Driver> = tables.iter().map(|name| named(root, home, name)).collect();
    if drivers.is_empty() && (sample.is_some() || has_graph) {
        let name = sample.map(|it| it.driver.as_str()).unwrap_or_default();
        drivers.push(if name.is_empty() { named(root, home, TABLE) } else { Driver::docker(name) });
    }
    let recorded = sample.and_then(|it| it.recorded.clone()).unwrap_or_else(|| usual(home));
    (drivers.into_iter().map(|driver| store(root, home, driver, &recorded)).collect(), Vec::new())
}

fn first_is_old(home: &Home) -> bool {
    let record = |id: &model::Id| home.path.join("containers").join(id.as_str()).join(folders::BEFORE_1_10);
    home.ids().first().is_some_and(|id| home.root.exists(&record(id)))
}

fn tables(home: &Home) -> Vec<String> {
    let names = home.entries().iter().filter(|entry| entry.is_dir != Some(true));
    let names = names.filter_map(|entry| String::from_utf8(entry.name.to_vec()).ok());
    names
        .filter(|name| name == TABLE || name.strip_prefix("repositories-").is_some_and(|driver| !driver.is_empty()))
        .collect()
}

/// The driver of a table of tags. Without a name it is docker 0.6, unless the files have moved to aufs already.
fn named(root: &Root, home: &HostPath, table: &str) -> Driver {
    match table.strip_prefix("repositories-") {
        Some(driver) => Driver::docker(driver),
        None if root.is_dir(&home.join("aufs/diff")) => Driver::Aufs,
        None => Driver::Graph,
    }
}

fn store(root: &Root, home: &HostPath, driver: Driver, recorded: &[u8]) -> Store {
    let first = driver == Driver::Graph;
    let table = if first { TABLE.to_string() } else { format!("repositories-{}", driver.name()) };
    let places = [home.join(table), home.join("graph"), home.join("containers")];
    Store {
        generation: if first { Generation::DockerFirst } else { Generation::DockerGraph },
        driver,
        home: home.clone(),
        recorded: recorded.into(),
        namespace: "".into(),
        evidence: places.into_iter().filter(|place| root.exists(place)).collect(),
        host: None,
    }
}
