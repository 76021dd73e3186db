//! Archives and ids as real dockers made them (`testdata/archives`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;

use archive::read::{Member, MemberKind, link_target, survey};
use archive::{ArchivedImage, Format, Members, Plan, PlannedImage, PlannedLayer, Reader, digest, v1};
use model::{EntryPath, StreamError};

/// The members of a tar in memory.
struct Tar(std::vec::IntoIter<(Member, Vec<u8>)>, Cursor<Vec<u8>>);

impl Tar {
    fn new(raw: &[u8]) -> Tar {
        let mut archive = tar::Archive::new(raw);
        let members = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let name = EntryPath::parse(&entry.path_bytes()).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let kind = match entry.header().entry_type() {
                tar::EntryType::Regular => MemberKind::File(content.len() as u64),
                tar::EntryType::Symlink => {
                    MemberKind::Link(link_target(&name, &entry.link_name_bytes().unwrap()).unwrap())
                }
                _ => MemberKind::Other,
            };
            (Member { name, kind }, content)
        });
        Tar(members.collect::<Vec<_>>().into_iter(), Cursor::default())
    }
}

impl Members for Tar {
    fn next_member(&mut self) -> Result<Option<Member>, StreamError> {
        Ok(self.0.next().map(|(member, content)| {
            self.1 = Cursor::new(content);
            member
        }))
    }

    fn content(&mut self) -> Result<Box<dyn Read + Send + '_>, StreamError> {
        Ok(Box::new(&mut self.1))
    }
}

fn testdata(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/archives").join(name);
    let raw = std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    if !name.ends_with(".gz") {
        return raw;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&raw[..]).read_to_end(&mut plain).unwrap();
    plain
}

/// Reads an archive as `load` does; the layers' digests by member.
fn read(raw: &[u8]) -> (Vec<ArchivedImage>, BTreeMap<EntryPath, Vec<u8>>) {
    let mut reader = Reader::new(Tar::new(raw), None);
    let mut layers = BTreeMap::new();
    while let Some(layer) = reader.next_layer().unwrap() {
        let mut content = Vec::new();
        reader.content().unwrap().read_to_end(&mut content).unwrap();
        reader.came_to(&layer, digest(&content)).unwrap();
        layers.insert(layer.member, content);
    }
    (reader.finish().unwrap().0, layers)
}

#[test]
fn old_archives_give_the_ids_that_docker_20_10_gives_them() {
    for (version, app) in [
        ("0.6.4", "ca94a2bee9cc32ecdbb4d26c185cad989ed8153d6fa2b00ff3593e8d57e31dad"),
        ("1.2.0", "e875bd0d06556d00b1bf49cca402a5c1a131767e3ebad43236baf1dfdd1f878a"),
        ("1.9.1", "3c495284ef35c55f04c094384eaccd1b080f8c8fa9a43150a76a6b8d41965543"),
    ] {
        let (images, _) = read(&testdata(&format!("v1-{version}.tar.gz")));
        let ids: BTreeSet<String> = images.iter().map(|image| image.id.to_string()).collect();
        let expected = String::from_utf8(testdata(&format!("v1-{version}.ids"))).unwrap();
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>(), "{version}");
        let named: Vec<_> = images.iter().filter(|image| !image.names.is_empty()).collect();
        assert_eq!(
            named.iter().map(|image| (image.id.hex(), image.names.join(" "))).collect::<Vec<_>>(),
            [(app.to_string(), "app:1".to_string())]
        );
    }
}

#[test]
fn v1_folders_are_those_that_docker_20_10_writes() {
    for version in ["0.6.4", "1.2.0", "1.9.1"] {
        let raw = testdata(&format!("docker-20.10-of-{version}.tar.gz"));
        let (images, _) = read(&raw);
        let [image] = images.as_slice() else { panic!("one image was saved") };
        let diff_ids: Vec<_> = image.layers.iter().map(|layer| layer.diff_id).collect();
        let mut jsons = BTreeMap::new();
        for (member, content) in Tar::new(&raw).0 {
            if let Some(id) = member.name.to_string().strip_suffix("/json") {
                jsons.insert(id.to_string(), String::from_utf8(content).unwrap());
            }
        }
        let folders = v1::folders(&image.config, &diff_ids).unwrap();
        let ours: BTreeMap<_, _> =
            folders.into_iter().map(|folder| (folder.id, String::from_utf8(folder.json).unwrap())).collect();
        assert_eq!(ours, jsons, "{version}");
    }
}

/// Layers in memory.
struct Memory<'m> {
    images: &'m [ArchivedImage],
    layers: &'m BTreeMap<EntryPath, Vec<u8>>,
}

impl archive::write::Layers for Memory<'_> {
    type Error = std::io::Error;

    fn size(&mut self, image: usize, layer: usize) -> std::io::Result<u64> {
        Ok(self.layers[&self.images[image].layers[layer].member].len() as u64)
    }

    fn write(&mut self, image: usize, layer: usize, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(&self.layers[&self.images[image].layers[layer].member])
    }
}

fn write(format: Format, images: &[ArchivedImage], layers: &BTreeMap<EntryPath, Vec<u8>>) -> Vec<u8> {
    let planned: Vec<PlannedImage> = images
        .iter()
        .map(|image| PlannedImage {
            config: image.config.to_vec(),
            names: image.names.clone(),
            full_names: image.names.iter().map(|name| format!("docker.io/library/{name}")).collect(),
            layers: image
                .layers
                .iter()
                .map(|layer| PlannedLayer {
                    diff_id: layer.diff_id,
                    blob: layer.diff_id,
                    size: (format == Format::Oci).then(|| layers[&layer.member].len() as u64),
                    media_type: archive::write::LAYER_TAR,
                })
                .collect(),
            manifest: None,
        })
        .collect();
    let plan = Plan::new(format, &planned);
    let mut out = Vec::new();
    plan.write(&mut out, &mut Memory { images, layers }).unwrap();
    assert!(plan.size().is_none_or(|size| size == out.len() as u64));
    out
}

#[test]
fn what_is_written_is_read_back_in_either_format() {
    let (mut images, layers) = read(&testdata("v1-1.9.1.tar.gz"));
    images.retain(|image| !image.names.is_empty());
    for format in [Format::Docker, Format::Oci] {
        let raw = write(format, &images, &layers);
        assert_eq!(raw, write(format, &images, &layers), "the same bytes each time");
        let surveyed = survey(&mut Cursor::new(&raw), None).unwrap().expect("plain headers").images().unwrap();
        let (read, _) = read(&raw);
        let ids =
            |images: &[ArchivedImage]| images.iter().map(|image| (image.id, image.names.clone())).collect::<Vec<_>>();
        let expected: Vec<_> = match format {
            Format::Docker => ids(&images),
            Format::Oci => images.iter().map(|image| (image.id, vec!["docker.io/library/app:1".to_string()])).collect(),
        };
        assert_eq!(ids(&read), expected);
        assert_eq!(ids(&surveyed), expected);
    }
}

#[test]
fn layers_are_named_before_they_come() {
    let (mut images, layers) = read(&testdata("v1-1.9.1.tar.gz"));
    images.retain(|image| !image.names.is_empty());
    for format in [Format::Docker, Format::Oci] {
        let mut reader = Reader::new(Tar::new(&write(format, &images, &layers)), None);
        while let Some(layer) = reader.next_layer().unwrap() {
            assert!(layer.stated.is_some(), "{layer:?}");
        }
    }
}
