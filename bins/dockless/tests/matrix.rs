//! Every program that only reads, on every host of testdata: what it answers stands in `testdata/golden/HOST/PROGRAM.txt`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p dockless --test matrix` writes the files anew; read their diff before committing it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

use testkit::golden::{self, Goldens};
use testkit::hosts::Hosts;

/// When the seeds' users wrote down what docker showed; ages are counted from then. Host, program, seconds since 1970.
const MOMENTS: &[(&str, &str, &str)] = &[
    // 28 seconds after paas/redis was committed.
    ("seed-0.6.4", "images", "1383379829"),
    // 33 minutes after it was started.
    ("seed-0.6.4", "ps", "1383381930"),
    // 42 seconds after learn/vim was committed.
    ("seed-1.2.0", "images", "1410000907"),
    ("seed-1.2.0", "ps", "1410000907"),
];

/// For all other hosts: 2026-12-01.
const LATER: &str = "1796083200";

/// Objects of a kind that programs taking one are run on, spread over all of a host's.
const SAMPLE: usize = 6;

/// Hosts at a time.
const WORKERS: usize = 2;

#[test]
fn every_reading_program_answers_on_every_host_as_before() {
    let programs = testkit::programs::built();
    let hosts = Hosts::unpack();
    let names = Mutex::new(hosts.names());
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(name) = { names.lock().expect("no worker failed").pop() } {
                    let all = Host { name: &name, programs, hosts: hosts.path() }.answers();
                    answers.lock().expect("no worker failed").extend(all);
                }
            });
        }
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let mut goldens = Goldens::new(folder, Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden"));
    let mut answers = answers.into_inner().expect("no worker failed");
    answers.sort_unstable();
    for (file, answer) in answers {
        goldens.check(&file, &answer);
    }
    goldens.finish();
}

struct Host<'a> {
    name: &'a str,
    programs: &'a Path,
    hosts: &'a Path,
}

impl Host<'_> {
    /// File names of goldens, and what came.
    fn answers(&self) -> Vec<(String, String)> {
        let containers = self.ids("ps", &["-a"]);
        let images = self.ids("images", &["-a"]);
        let whole = |id: &String| vec![id.clone()];
        let each = |ids: &[String]| sample(ids).iter().map(whole).collect::<Vec<_>>();
        let volumes = self.ids("volumes", &[]);
        let networks = self.ids("networks", &[]);
        let places = self.lines("volumes", &["--format", "{{.Mountpoint}}"]);
        let asked: Vec<String> = sample(&containers).into_iter().chain(sample(&places)).collect();
        let plan: Vec<(&str, &[&str], Vec<Vec<String>>)> = vec![
            ("ps", &["-a", "--no-trunc"], vec![vec![]]),
            ("ps", &["-a", "--as", "0.6.4"], vec![vec![]]),
            ("ps", &["-a", "--as", "1.2.0"], vec![vec![]]),
            ("images", &["-a", "--no-trunc", "--digests"], vec![vec![]]),
            ("images", &["--as", "0.6.4"], vec![vec![]]),
            ("images", &["--as", "1.2.0"], vec![vec![]]),
            ("history", &["--no-trunc"], each(&images)),
            ("inspect", &["--type", "container"], each(&containers)),
            ("inspect", &["--type", "image"], each(&images)),
            ("inspect", &["--host"], vec![vec![]]),
            ("inspect", &["--type", "volume"], vec![volumes.clone()]),
            ("inspect", &["--type", "network"], vec![networks]),
            ("logs", &["-t"], each(&containers)),
            ("port", &[], each(&containers)),
            ("volumes", &[], vec![vec![]]),
            ("networks", &["--no-trunc"], vec![vec![]]),
            ("diff", &[], each(&containers)),
            ("export", &["--format", "sha256sum"], each(&containers)),
            ("export", &["--format", "sha256sum", "--type", "volume"], each(&volumes)),
            ("save", &[], each(&images)),
            ("df", &[], vec![vec![]]),
            ("df", &["-v"], vec![vec![]]),
            ("whose", &[], if asked.is_empty() { vec![] } else { vec![asked] }),
            ("events", &["--since", "0", "--until", LATER], vec![vec![]]),
            ("version", &[], vec![vec![]]),
        ];
        let mut answers: Vec<(String, String)> = Vec::new();
        for (program, options, objects) in plan {
            let mut said = String::new();
            for words in objects {
                let args: Vec<&str> = options.iter().copied().chain(words.iter().map(String::as_str)).collect();
                let shown = format!("{program} {}", args.join(" "));
                writeln!(said, "{}", golden::answer(shown.trim_end(), &self.run(program, &args)))
                    .expect("it is memory");
            }
            let file = format!("{}/{program}.txt", self.name);
            match answers.last_mut().filter(|(last, _)| *last == file) {
                Some((_, before)) => before.push_str(&said),
                None => answers.push((file, said)),
            }
        }
        answers
    }

    /// Whole ids or names of all objects that a program lists.
    fn ids(&self, program: &str, options: &[&str]) -> Vec<String> {
        let mut args = vec!["-q"];
        args.extend(options);
        if program != "volumes" {
            args.push("--no-trunc");
        }
        let mut ids = self.lines(program, &args);
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        ids
    }

    fn lines(&self, program: &str, args: &[&str]) -> Vec<String> {
        let out = self.run(program, args);
        String::from_utf8_lossy(&out.stdout).lines().filter(|line| !line.is_empty()).map(str::to_string).collect()
    }

    /// Runs a program as in an empty house: the same environment everywhere, the root under a path of one word.
    fn run(&self, program: &str, args: &[&str]) -> Output {
        let moment = MOMENTS
            .iter()
            .find(|(host, asked, _)| (*host, *asked) == (self.name, program))
            .map_or(LATER, |(_, _, moment)| moment);
        let mut out = Command::new(self.programs.join(program))
            .args(args)
            .args(["--root", self.name])
            .current_dir(self.hosts)
            .env_clear()
            .envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("SOURCE_DATE_EPOCH", moment)])
            .output()
            .expect("the program starts");
        if program == "save" {
            out.stdout = format!("{} bytes, sha256 {}\n", out.stdout.len(), golden::sha256(&out.stdout)).into_bytes();
        }
        if program == "version" {
            // Ours and this machine's, not the host's.
            out.stdout = out.stdout.split_inclusive(|byte| *byte == b'\n').skip(4).flatten().copied().collect();
        }
        out
    }
}

/// At most [`SAMPLE`] of them, the first and the last among these.
fn sample(ids: &[String]) -> Vec<String> {
    if ids.len() <= SAMPLE {
        return ids.to_vec();
    }
    (0..SAMPLE).map(|at| ids[at * (ids.len() - 1) / (SAMPLE - 1)].clone()).collect()
}
