//! A thin pool as docker's devicemapper keeps it, made from filesystem images without any device-mapper.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

/// Bytes of a block, docker's default.
const BLOCK: usize = 64 * 1024;

/// Writes `data` and `metadata` into `folder`: one device for each number and image. Equal blocks are shared, as between a
/// device and its snapshots; blocks of zeros are not mapped; the order is shuffled.
///
/// # Panics
/// Where `thin_restore` (thin-provisioning-tools) is missing or refuses.
pub fn pool(folder: &Path, devices: &[(u64, &Path)]) {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    let maps: Vec<(u64, Vec<(usize, usize)>)> = devices
        .iter()
        .map(|(number, image)| {
            let map = read_blocks(image).into_iter().map(|(at, block)| {
                let index = *known.entry(block.clone()).or_insert_with(|| {
                    blocks.push(block);
                    blocks.len() - 1
                });
                (at, index)
            });
            (*number, map.collect())
        })
        .collect();
    let mut data = File::create(folder.join("data")).expect("the folder is there");
    let count = blocks.len().next_power_of_two().max(16) * 2;
    data.set_len((count * BLOCK) as u64).expect("sparse files can be made");
    for (index, block) in blocks.iter().enumerate() {
        data.seek(SeekFrom::Start((place(index, count) * BLOCK) as u64)).expect("a file seeks");
        data.write_all(block).expect("there is room");
    }
    restore(folder, &xml(&maps, count));
}

/// Scatters blocks: `count` is a power of two, and an odd factor hits every place once.
fn place(index: usize, count: usize) -> usize {
    (index * 0x9E35 + 7) % count
}

fn read_blocks(image: &Path) -> Vec<(usize, Vec<u8>)> {
    let mut bytes = Vec::new();
    File::open(image).and_then(|mut file| file.read_to_end(&mut bytes)).expect("the image is there");
    let blocks = bytes.chunks(BLOCK).map(|block| {
        let mut whole = block.to_vec();
        whole.resize(BLOCK, 0);
        whole
    });
    blocks.enumerate().filter(|(_, block)| block.iter().any(|&byte| byte != 0)).collect()
}

fn xml(maps: &[(u64, Vec<(usize, usize)>)], count: usize) -> String {
    let mut xml = format!(
        "<superblock uuid=\"\" time=\"1\" transaction=\"3\" data_block_size=\"{}\" nr_data_blocks=\"{count}\">\n",
        BLOCK / 512
    );
    for (number, map) in maps {
        let _ = writeln!(
            xml,
            "<device dev_id=\"{number}\" mapped_blocks=\"{}\" transaction=\"0\" creation_time=\"0\" snap_time=\"1\">",
            map.len()
        );
        for (at, index) in map {
            let place = place(*index, count);
            let _ = writeln!(xml, "<single_mapping origin_block=\"{at}\" data_block=\"{place}\" time=\"0\"/>");
        }
        xml += "</device>\n";
    }
    xml + "</superblock>\n"
}

fn restore(folder: &Path, xml: &str) {
    let (text, metadata) = (folder.join("pool.xml"), folder.join("metadata"));
    std::fs::write(&text, xml).expect("the folder is there");
    File::create(&metadata).and_then(|file| file.set_len(8 << 20)).expect("sparse files can be made");
    let out = Command::new("thin_restore").arg("-i").arg(&text).arg("-o").arg(&metadata).output();
    let out = out.expect("thin_restore of thin-provisioning-tools is needed");
    assert!(out.status.success(), "thin_restore: {}", String::from_utf8_lossy(&out.stderr));
    std::fs::remove_file(text).expect("it was just written");
}
