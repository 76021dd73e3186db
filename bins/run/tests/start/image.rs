//! Images made without an engine: a root filesystem of this machine's own programs, on a data root of docker's layout.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use hostfs::Wait;
use layout::docker_content::write::Writer;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the tests' scripts call.
const PROGRAMS: &[&str] = &[
    "sh", "cat", "chmod", "env", "grep", "head", "hostname", "id", "ln", "ls", "mkdir", "mount", "ps", "readlink",
    "sed", "sleep", "sort", "stat", "stty", "touch", "true", "umount", "tr", "uname",
];

/// A data root with images, and a folder that stands for the host's own files. All of it goes with this value.
pub struct Place {
    folder: TempDir,
}

/// What a program said and how it ended.
pub struct Ended {
    /// Exit status; 128 and the signal where it was killed.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// A place with the image `img`; `None` where tests of containers have no verdict.
    pub fn new() -> Option<Place> {
        if !testkit::engine::is_here("unshare") {
            return None;
        }
        let place = Place { folder: tempfile::tempdir().expect("a folder is made") };
        place.image("img", "", json!({"Cmd": ["true"]}));
        Some(place)
    }

    /// The data root.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A folder of the host.
    pub fn host(&self) -> PathBuf {
        self.folder.path().join("host")
    }

    /// Makes an image of the usual files after `script` changed them. `$HOST` is the host's folder.
    pub fn image(&self, name: &str, script: &str, config: Value) {
        let base = BASE.get_or_init(made_root);
        std::fs::create_dir_all(self.host()).expect("a folder is made");
        let mut writer = match self.root().exists() {
            true => Writer::open(&self.root(), Wait::Yes(&mut |_| ())).expect("the root can be written"),
            false => Writer::create(&self.root(), Wait::No).expect("the root can be made"),
        };
        let staged = writer.stage_layer(None).expect("a layer is begun");
        let files = writer.path(&staged.diff());
        shell("cp -a \"$1\"/. \"$2\"", &[base, &files], &self.host());
        shell(&format!("cd \"$1\"; {script}"), &[&files], &self.host());
        // Nobody asks for the layer's tar: its record is empty, and its digest only a name.
        let record = writer.path(&staged.tar_split());
        std::fs::create_dir_all(record.parent().expect("it lies in a folder")).expect("a folder is made");
        shell("gzip -c < /dev/null > \"$1\"", &[&record], &self.host());
        let digest = tarball::Sha256::of(format!("{name} {script} {config}").as_bytes());
        writer.commit_layer(staged, digest, 1).expect("the layer is whole");
        let document = json!({
            "architecture": std::env::consts::ARCH, "os": "linux", "config": config, "created": "2026-01-01T00:00:00Z",
            "rootfs": {"type": "layers", "diff_ids": [format!("{digest}")]}, "history": [{"created": "2026-01-01T00:00:00Z"}],
        });
        let id = writer.put_image(document.to_string().as_bytes()).expect("the image is whole");
        let reference = model::Reference::parse(name).expect("the tests' names are names");
        writer.tag(&reference, &id).expect("the name is free");
    }

    /// A `run` on this root, in a network and with mounts of its own.
    pub fn command(&self, words: &[&str]) -> Command {
        self.below(&["--net", "--mount"], words)
    }

    /// As [`Place::command`], in the network of whoever starts it.
    pub fn command_here(&self, words: &[&str]) -> Command {
        self.below(&["--mount"], words)
    }

    fn below(&self, own: &[&str], words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(own).args(["timeout", "30", env!("CARGO_BIN_EXE_run")]).args(words);
        command.env("DOCKLESS_ROOT", self.root()).stdin(std::process::Stdio::null());
        command
    }

    /// Runs it to its end where no version 2 of cgroups lies beside version 1: crun refuses such a host.
    pub fn run_on_version_one(&self, words: &[&str]) -> Ended {
        let mut command = on_version_one(&[&["timeout", "30", env!("CARGO_BIN_EXE_run")], words].concat());
        command.env("DOCKLESS_ROOT", self.root()).stdin(std::process::Stdio::null());
        ended(command.output().expect("it starts"))
    }

    /// Runs it to its end.
    pub fn run(&self, words: &[&str]) -> Ended {
        ended(self.command(words).output().expect("it starts"))
    }
}

/// A program in a network and with mounts of its own, without version 2 of cgroups among them.
pub fn on_version_one(words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    let script = "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"";
    command.args(["--net", "--mount", "sh", "-c", script, "sh"]).args(words);
    command
}

/// What came out.
pub fn ended(out: Output) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    let text = |raw: Vec<u8>| String::from_utf8_lossy(&raw).into_owned();
    let status = out.status.code().unwrap_or_else(|| 128 + out.status.signal().unwrap_or(0));
    Ended { status, stdout: text(out.stdout), stderr: text(out.stderr) }
}

/// Ends a container's first process, and waits until the process beside it has cleared up.
pub fn end(pid: i64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let beside =
        status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("it has a parent").trim().to_string();
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill starts").success());
    for _ in 0..200 {
        if !Path::new("/proc").join(&beside).exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the process beside the container stays");
}

static BASE: OnceLock<PathBuf> = OnceLock::new();

/// Programs with what they are linked to, and the files that every image has: made once for all tests, where cargo keeps
/// what tests make.
pub fn made_root() -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("base-{}", env!("CARGO_CRATE_NAME")));
    let _ = std::fs::remove_dir_all(&base);
    let script = r#"
        mkdir -p "$1"; cd "$1"; mkdir -p bin etc tmp root data home/web
        for program in $PROGRAMS; do
            for folder in /bin /usr/bin /sbin /usr/sbin; do [ -e $folder/$program ] && path=$folder/$program; done
            cp -L "$path" bin/
        done
        # Our own program would run inside too, if it could be reached.
        for path in bin/* "$OWN"; do
            ldd "$path" | grep -o '/[^ ]*' | while read library; do
                mkdir -p ".$(dirname "$library")"; cp -Ln "$library" ".$library"
            done
        done
        chmod 1777 tmp; echo inside > data/file; chmod 750 data; chown -R 1000:1001 data home/web
        printf 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/home/web:/bin/sh\n' > etc/passwd
        printf 'root:x:0:\nweb:x:1001:\nextra:x:2000:web\n' > etc/group"#;
    let done = Command::new("sh")
        .args(["-ec", script, "sh"])
        .arg(&base)
        .env("PROGRAMS", PROGRAMS.join(" "))
        .env("OWN", env!("CARGO_BIN_EXE_run"))
        .status();
    assert!(done.expect("sh starts").success(), "the image's files cannot be gathered");
    base
}

/// Runs a script with these arguments.
pub fn shell(script: &str, words: &[&Path], host: &Path) {
    let done = Command::new("sh").args(["-ec", script, "sh"]).args(words).env("HOST", host).output();
    let done = ended(done.expect("sh starts"));
    assert_eq!(done.status, 0, "{script}: {}", done.stderr);
}
