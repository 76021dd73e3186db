//! Two hosts that people described in 2013 and 2014: what their notes show is what comes out.

use std::path::PathBuf;

use hostfs::Root;
use layout::Found;
use model::{Container, Generation, Image, Status, Store};

struct Seed {
    root: Root,
    stores: Vec<Store>,
}

fn seed(name: &str) -> Seed {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts").join(name);
    let root = Root::open(&path).unwrap();
    let (stores, findings) = layout::detect(&root);
    assert_eq!(findings, []);
    Seed { root, stores }
}

impl Seed {
    /// What is read without any finding.
    fn clean<T>(found: Found<T>) -> T {
        assert_eq!(found.1, []);
        found.0
    }

    fn containers(&self) -> Vec<Container> {
        Seed::clean(layout::containers(&self.root, &self.stores, 0))
    }

    fn images(&self) -> Vec<Image> {
        Seed::clean(layout::images(&self.root, &self.stores, 0))
    }

    fn inspect(&self, prefix: &str) -> serde_json::Value {
        let [container] = &Seed::clean(layout::container(&self.root, &self.stores, 0, prefix))[..] else {
            panic!("one container")
        };
        Seed::clean(layout::inspect_container(&self.root, &self.stores, container))
    }
}

/// Tags, own size and size of each image, as `docker images` shows them.
fn table(images: &[Image]) -> Vec<String> {
    let line = |image: &Image| {
        format!(
            "{} {} {:?} {:?}",
            image.tags.join(","),
            image.id.short(),
            image.layers[0].size.unwrap(),
            image.size.unwrap()
        )
    };
    images.iter().map(line).collect()
}

#[test]
fn docker_0_6_4_shows_what_its_user_saw() {
    let host = seed("seed-0.6.4");
    assert_eq!(host.stores[0].generation, Generation::DockerFirst);
    assert_eq!(
        table(&host.images()),
        [
            "paas/redis:latest 9947d279c0e7 287105024 418611200",
            "ubuntu:12.04,ubuntu:latest,ubuntu:precise 8dbd9e392a96 131506176 131506176",
            "ubuntu:12.10,ubuntu:quantal b750fe79269d 24653 180141133",
            " 27cf78414709 180116480 180116480",
        ]
    );
    let containers = host.containers();
    let lines: Vec<String> = containers
        .iter()
        .map(|c| format!("{} {} {} {} {:?}", c.id.short(), c.image, c.path, c.names.len(), c.state.status))
        .collect();
    assert_eq!(
        lines,
        ["f1b7aadb29c7 paas/redis /usr/bin/redis-server 0 Running", "e6087b57a686 ubuntu /bin/bash 0 Running"]
    );
    let port = &containers[0].ports[0];
    assert_eq!((port.port, port.host.unwrap().1), (6379, 49153));
}

#[test]
fn the_base_image_of_2013_has_sixteen_digits() {
    let host = seed("seed-0.6.4");
    let images = host.images();
    let quantal = images.iter().find(|image| image.id.short() == "b750fe79269d").unwrap();
    assert_eq!(quantal.parent.as_ref().unwrap().as_str(), "27cf784147099545");
    let history = Seed::clean(layout::history(&host.root, &host.stores[0], quantal));
    let steps: Vec<String> = history
        .iter()
        .map(|step| format!("{} {:?} {:?}", step.id.as_ref().unwrap(), step.created_by, step.comment))
        .collect();
    assert_eq!(
        steps,
        [
            "b750fe79269d2ec9a3c593ef05b4332b1d1a02a62b4accb2c21d589ff2f5f2dc \"/bin/bash\" \"\"",
            "27cf784147099545 \"\" \"Imported from http://get.docker.io/images/base\"",
        ]
    );
}

#[test]
fn old_records_are_shown_in_todays_shape() {
    let first = seed("seed-0.6.4").inspect("f1b7aadb29c7");
    assert_eq!(first.pointer("/NetworkSettings/Ports/6379~1tcp/0/HostPort").unwrap(), "49153");
    assert_eq!(first.pointer("/NetworkSettings/Networks/bridge/IPAddress").unwrap(), "172.17.0.4");
    assert_eq!(first.pointer("/HostConfig/PortBindings/6379~1tcp/0/HostPort").unwrap(), "");
    assert_eq!(first.pointer("/Dockless/Runtime/Lxc/lxc.network.ipv4/0").unwrap(), "172.17.0.4/16");
    let second = seed("seed-1.2.0").inspect("633710bf0be6");
    assert_eq!(second["Name"], "/trusting_sinoussi");
    assert_eq!(second["State"]["Status"], "running");
    assert_eq!(second.pointer("/Dockless/Runtime/State/network_state/veth_host").unwrap(), "veth3528");
    assert_eq!(
        second.pointer("/Dockless/Paths/2/Evidence").unwrap(),
        "containers/633710bf0be63b61affe60c8c8de374dc956e73400e0aca23efe3b870583950d/hosts"
    );
}

#[test]
fn docker_1_2_0_shows_what_its_user_saw() {
    let host = seed("seed-1.2.0");
    assert_eq!((host.stores.len(), host.stores[0].driver.name()), (1, "aufs"));
    let images = host.images();
    assert_eq!(images.len(), 18);
    let debian = images.iter().find(|image| image.tags.contains(&"debian:latest".to_string())).unwrap();
    assert_eq!(debian.tags, ["debian:7", "debian:7.6", "debian:latest", "debian:wheezy"]);
    assert_eq!(debian.size, Some(85_180_000));
    let containers = host.containers();
    assert_eq!((containers.len(), containers[0].state.status, containers[0].state.pid), (1, Status::Running, 4931));
    let (rootfs, findings) = layout::rootfs(&host.root, &host.stores[0], &containers[0]).unwrap();
    assert_eq!((rootfs.layers.len(), rootfs.own, findings.len()), (4, 2, 0));
    assert_eq!(rootfs.layers[0].folder.to_string(), "aufs/diff");
}

#[test]
fn a_folder_of_hosts_lists_them_all_and_each_objects_paths_are_told_below_it() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hosts");
    let root = Root::open(&path).unwrap();
    let (stores, findings) = layout::detect(&root);
    assert_eq!(findings, []);
    let homes: Vec<String> = stores.iter().map(|store| store.home.to_string()).collect();
    assert_eq!(homes, ["seed-0.6.4", "seed-1.2.0"]);
    let containers: Vec<Container> = (0..2).flat_map(|at| layout::containers(&root, &stores, at).0).collect();
    let mut told = 0;
    for container in &containers {
        let (shown, _) = layout::inspect_container(&root, &stores, container);
        let home = &stores[container.store].home;
        for path in shown["Dockless"]["Paths"].as_array().unwrap() {
            // The notes quote no log: it is not there.
            let Some(place) = path["Evidence"].as_str() else { continue };
            assert!(place.starts_with(&home.to_string()), "{path}");
            told += 1;
        }
    }
    assert_eq!((containers.len(), told > 5), (3, true), "{told}");
}
