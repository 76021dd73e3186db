//! Dockerfile instructions that change an image's config, as `import --change` and `commit --change` take them.
//!
//! Texts become instructions ([`lines`]), instructions words ([`words`]) with variables filled in ([`expand`]), and
//! words change the config ([`instruction`]). Sources, moby v20.10.24: `builder/dockerfile/builder.go`
//! (`BuildFromConfig`), `dispatchers.go`, and BuildKit's `frontend/dockerfile/{parser,instructions,shell}`. Compared
//! with dockerd 20.10's own answers in `testdata/archives/changes.jsonl`; STOPSIGNAL, which only newer ones take, with
//! v28's `builder/dockerfile/dispatchers.go`.

mod expand;
mod instruction;
mod lines;
mod words;

use crate::config::Config;

/// Why a change cannot be made; docker's own sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChangeError(String);

impl ChangeError {
    fn new(text: impl Into<String>) -> ChangeError {
        ChangeError(text.into())
    }
}

/// The instructions that may be changes.
const TAKEN: [&str; 11] = [
    "cmd",
    "entrypoint",
    "env",
    "expose",
    "healthcheck",
    "label",
    "onbuild",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

/// Changes `config` by `changes`, one after the other. Nothing is changed by a list with an instruction that no change
/// may be.
pub fn apply(config: &mut Config, changes: &[impl AsRef<str>]) -> Result<(), ChangeError> {
    if changes.is_empty() {
        return Ok(());
    }
    let text = changes.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("\n");
    let instructions = lines::split(&text);
    if instructions.is_empty() {
        return Err(ChangeError::new("file with no instructions"));
    }
    for (name, _) in &instructions {
        let name = name.to_lowercase();
        if !TAKEN.contains(&name.as_str()) {
            return Err(ChangeError::new(format!("{name} is not a valid change command")));
        }
    }
    let mut state = instruction::State::new(config);
    instructions.iter().try_for_each(|(name, rest)| state.instruction(&name.to_lowercase(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        changes: Vec<String>,
        config: Option<String>,
        error: Option<String>,
    }

    #[test]
    fn changes_come_out_as_dockerd_20_10_makes_them() {
        for line in include_str!("../../../../testdata/archives/changes.jsonl").lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            let mut config = Config::default();
            let ours =
                apply(&mut config, &case.changes).map(|()| String::from_utf8(crate::gojson::to_vec(&config)).unwrap());
            let theirs = case.config.ok_or_else(|| ChangeError::new(case.error.unwrap_or_default()));
            assert_eq!(ours, theirs, "{:?}", case.changes);
        }
    }

    #[test]
    fn a_stop_signal_is_one_that_there_is() {
        for (text, signal) in [
            ("STOPSIGNAL SIGTERM", "SIGTERM"),
            ("STOPSIGNAL 9", "9"),
            ("STOPSIGNAL term", "term"),
            ("STOPSIGNAL SIGRTMIN+3", "SIGRTMIN+3"),
        ] {
            let mut config = Config::default();
            apply(&mut config, &[text]).unwrap();
            assert_eq!(config.stop_signal, signal);
        }
        for (text, why) in [
            ("STOPSIGNAL FOO", "Invalid signal: FOO"),
            ("STOPSIGNAL 0", "Invalid signal: 0"),
            ("STOPSIGNAL", "STOPSIGNAL requires exactly one argument"),
        ] {
            assert_eq!(apply(&mut Config::default(), &[text]), Err(ChangeError::new(why)));
        }
    }
}
