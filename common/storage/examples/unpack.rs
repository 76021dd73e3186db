//! Unpacks a tar from standard input into a folder and says how long it took: for scripts/bench/unpack and for trying.
//!
//! `unpack FOLDER [layer|rootfs] [overlay2|vfs]`: FOLDER gets `diff` and `tar-split.json.gz`. `unpack - ` only reads and
//! decompresses.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use storage::unpack::{LayerForm, Meaning, Options, Place, unpack};
use tarball::compress::decoder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let begin = Instant::now();
    let (compression, mut input) = decoder(Box::new(File::from(io::stdin().as_fd().try_clone_to_owned()?)))?;
    if args.first().is_none_or(|folder| folder == "-") {
        let bytes = io::copy(&mut input, &mut io::sink())?;
        println!("{} {bytes} bytes {:.2} s", compression.word(), begin.elapsed().as_secs_f64());
        return Ok(());
    }
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let meaning = if has("layer") { Meaning::Layer } else { Meaning::Rootfs };
    let form = if has("vfs") { LayerForm::Vfs } else { LayerForm::Overlay2 };
    let folder = std::path::Path::new(&args[0]);
    fs::create_dir_all(folder.join("diff"))?;
    let split =
        File::options().read(true).write(true).create(true).truncate(true).open(folder.join("tar-split.json.gz"))?;
    let place = Place { files: File::open(folder.join("diff"))?.into(), split };
    let done = unpack(input, place, &Options::new(form, meaning), &mut |_| Ok(()))?;
    println!(
        "{} {} bytes {} entries size {} embedded {} {:.2} s",
        done.diff_id,
        done.read,
        done.entries,
        done.size,
        done.embedded,
        begin.elapsed().as_secs_f64()
    );
    for (entry, why) in done.lost.0 {
        println!("lost: {}: {why}", String::from_utf8_lossy(&entry));
    }
    Ok(())
}
