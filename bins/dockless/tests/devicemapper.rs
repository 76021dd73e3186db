//! A real data root of docker 1.2 whose files are put into a thin pool: every program answers as for the same root with
//! plain folders.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::hosts::Hosts;

/// Makes `plain`, a part of the root in which all times are whole seconds that mke2fs 1.47 keeps, and `pool`, the same
/// with each layer in a stage of its own for a filesystem to be made from.
const PARTS: &str = r#"
import json, os, shutil, sys
root, place = sys.argv[1:]
plain, pool = place + '/plain', place + '/pool'
shutil.move(root, plain)
keep, names = set(), ('/web', '/changer-app', '/whnames')
for folder in os.listdir(plain + '/containers'):
    config = json.load(open(f'{plain}/containers/{folder}/config.json'))
    if config['Name'] not in names:
        shutil.rmtree(f'{plain}/containers/{folder}')
        continue
    keep |= {folder, folder + '-init'}
    image = config['Image']
    while image:
        keep.add(image)
        image = json.load(open(f'{plain}/graph/{image}/json')).get('parent')
for image in os.listdir(plain + '/graph'):
    if image not in keep and not image.startswith('_'):
        shutil.rmtree(f'{plain}/graph/{image}')
volumes = os.listdir(plain + '/volumes')
for folder in os.listdir(plain + '/vfs/dir'):
    if folder not in keep and folder not in volumes:
        shutil.rmtree(f'{plain}/vfs/dir/{folder}')
for above, folders, files in os.walk(plain + '/vfs/dir', topdown=False):
    for name in folders + files:
        path = os.path.join(above, name)
        time = min(max(int(os.lstat(path).st_mtime), -2**31), 2**31 - 1)
        os.utime(path, (time, time), follow_symlinks=False)
"#;

/// The second half, once `pool` is a copy of `plain`: says each device and its stage.
const STAGES: &str = r#"
import json, os, shutil, sys
pool = sys.argv[1]
home = pool + '/devicemapper'
for folder in ('/devicemapper', '/metadata', '/mnt'):
    os.makedirs(home + folder)
volumes = os.listdir(pool + '/volumes')
number = 1
for folder in sorted(os.listdir(pool + '/vfs/dir')):
    if folder in volumes:
        continue
    number += 1
    os.makedirs(f'{pool}.stage/{number}')
    shutil.move(f'{pool}/vfs/dir/{folder}', f'{pool}.stage/{number}/rootfs')
    record = dict(device_id=number, size=64 << 20, transaction_id=number, initialized=True)
    json.dump(record, open(f'{home}/metadata/{folder}', 'w'))
    print(number)
os.rename(pool + '/repositories-vfs', pool + '/repositories-devicemapper')
for folder in os.listdir(pool + '/containers'):
    path = f'{pool}/containers/{folder}/config.json'
    text = open(path).read().replace('"Driver":"vfs"', '"Driver":"devicemapper"')
    open(path, 'w').write(text)
"#;

fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Both roots, in a folder of their own.
fn roots(hosts: &Hosts) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder is made");
    let at = |name: &str| place.path().join(name).to_string_lossy().into_owned();
    let host = hosts.path().join("docker-1.2.0-vfs");
    // In the archive the root is `root`, or the host's folder itself.
    let root = if host.join("root").is_dir() { host.join("root") } else { host };
    run("python3", &["-c", PARTS, &root.to_string_lossy(), &at("")]);
    run("cp", &["-a", &at("plain"), &at("pool")]);
    let numbers = run("python3", &["-c", STAGES, &at("pool")]);
    let devices: Vec<(u64, PathBuf)> = numbers
        .lines()
        .map(|number| {
            let (stage, image) = (at(&format!("pool.stage/{number}")), at(&format!("{number}.ext4")));
            run("mke2fs", &["-q", "-F", "-t", "ext4", "-d", &stage, &image, "64M"]);
            (number.parse().expect("it is a number"), image.into())
        })
        .collect();
    let devices: Vec<(u64, &Path)> = devices.iter().map(|(number, image)| (*number, image.as_path())).collect();
    testkit::thin::pool(&place.path().join("pool/devicemapper/devicemapper"), &devices);
    place
}

/// What a tar holds, holes made good: mke2fs makes more of them than the plain files have.
fn entries(tar: &[u8]) -> Vec<String> {
    let mut list = Command::new("tar")
        .args(["-tv", "--full-time", "--numeric-owner", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar starts");
    let mut input = list.stdin.take().expect("it is a pipe");
    let out = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(tar));
        list.wait_with_output().expect("it ends")
    });
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).lines().map(str::to_string).collect()
}

#[test]
fn a_root_in_a_thin_pool_answers_like_one_in_folders() {
    let programs = testkit::programs::built();
    let hosts = Hosts::unpack();
    let place = roots(&hosts);
    let answer = |root: &str, words: &str| {
        let mut words = words.split(' ');
        let program = words.next().expect("a program is named");
        let out = Command::new(programs.join(program))
            .args(words)
            .args(["--root", root])
            .current_dir(place.path())
            .env_clear()
            .envs([("TZ", "UTC"), ("SOURCE_DATE_EPOCH", "1796083200"), ("HOME", "/")])
            .output()
            .expect("the program starts");
        let stderr =
            String::from_utf8_lossy(&out.stderr).replace("devicemapper/mnt/", "vfs/dir/").replace("/rootfs", "");
        (out.status.code(), stderr.replace("devicemapper", "vfs"), out.stdout)
    };
    for words in [
        "ps -a --no-trunc --size",
        "images -a --no-trunc",
        "diff web",
        "diff changer-app",
        "diff whnames",
        "export --format sha256sum web",
        "export --format sha256sum changer-app",
        "export --format sha256sum whnames",
        "save app:1",
        "df -v",
    ] {
        let (plain, pool) = (answer("plain", words), answer("pool", words));
        assert!(matches!(pool.0, Some(0 | 3)), "{words}: {} {}", plain.1, pool.1);
        assert_eq!((plain.0, plain.1), (pool.0, pool.1), "{words}");
        assert!(plain.2 == pool.2, "{words}: {} and {} bytes", plain.2.len(), pool.2.len());
    }
    for name in ["changer-app", "whnames", "web"] {
        let (plain, pool) = (answer("plain", &format!("export {name}")), answer("pool", &format!("export {name}")));
        assert_eq!(entries(&plain.2), entries(&pool.2), "{name}");
    }
    fs::write(place.path().join("pool/devicemapper/devicemapper/metadata"), "").expect("it can be written");
    let (status, stderr, stdout) = answer("pool", "export web");
    assert_eq!((status, stdout.len()), (Some(1), 0));
    assert!(stderr.contains("cannot read 4096 bytes at byte 0") && stderr.contains("dmsetup"), "{stderr}");
}
