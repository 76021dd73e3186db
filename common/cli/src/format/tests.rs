//! Templates and what docker's own client makes of them.

use serde_json::Value;

use super::*;

/// Over `testdata/container.json`, each template with what `docker inspect --format` of docker 28.2.2 printed, or its
/// error. Made by asking that client through a socket that answers with the same JSON.
const ORACLE: &str = include_str!("../../testdata/templates.json");
const CONTAINER: &str = include_str!("../../testdata/container.json");

/// Where we mean to differ, with the reason.
const OTHERWISE: &[(&str, &str)] = &[
    // Docker knows objects as structs of its own; here they are what the JSON is.
    (
        "{{.Mounts}}",
        "[map[Destination:/srv Driver:local Mode:z Name:data Propagation: RW:true Source:/v/data Type:volume] \
         map[Destination:/mnt Mode: Propagation:rprivate RW:false Source:/a b Type:bind]]",
    ),
    ("{{.HostConfig.PortBindings}}", "map[80/tcp:[map[HostIp: HostPort:8080]]]"),
    // An empty list and none at all are one here.
    ("{{eq .Config.Cmd nil}}", "false"),
    (
        "{{.Config.Cmd.Foo}}",
        "template parsing error: template: :1:9: executing \"\" at <.Config.Cmd.Foo>: can't evaluate field Foo in type interface {}",
    ),
    // There is nothing to call.
    (
        "{{call .Name}}",
        "template parsing error: template: :1:2: executing \"\" at <call .Name>: error calling call: non-function of type string",
    ),
];

#[test]
fn templates_give_what_dockers_own_client_gives() {
    let data: Value = serde_json::from_str(CONTAINER).unwrap();
    let oracle: Vec<Value> = serde_json::from_str(ORACLE).unwrap();
    assert!(oracle.len() > 140);
    let mut wrong = Vec::new();
    for case in &oracle {
        let (source, out, error) =
            (case["template"].as_str().unwrap(), case["out"].as_str().unwrap(), case["error"].as_str().unwrap());
        let came = match Template::parse(source).and_then(|template| template.run(&data)) {
            Ok(text) => text,
            Err(error) => error.to_string(),
        };
        let wanted = if error.is_empty() { out } else { error };
        if came != wanted && !OTHERWISE.contains(&(source, came.as_str())) {
            wrong.push(format!("{source}\n  docker {wanted:?}\n  came   {came:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), oracle.len(), wrong.join("\n"));
}

proptest::proptest! {
    #[test]
    fn no_template_makes_it_panic(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "{{", "}}", "{{-", "-}}", " ", ".Args", ".Name", ".", "$", "$x", ":=", "|", "(", ")", ",", "range", "if", "else", "end",
                "with", "define", "template", "block", "break", "\"a\"", "`b`", "'c'", "1", "-2.5e3", "0x", "index", "slice", "printf",
                "\"%*d%q\"", "len", "json", "eq", "nil", "true", "/*", "*/", "\n", "ä", "\"", "\\", "pad", "truncate", "join", "split",
            ]),
            0..24,
        ),
    ) {
        let data: Value = serde_json::from_str(CONTAINER).unwrap();
        let _ = Template::parse(&parts.concat()).and_then(|template| template.run(&data));
        let _ = Template::parse(&parts.join(" ")).and_then(|template| template.run(&data));
    }
}

fn list(format: &str) -> String {
    let usual = "table {{.ID}}\t{{.Names}}".strip_prefix("table ").unwrap();
    let rows = [("4f1c0b7a12d3", "web\u{1b}"), ("0123456789ab", "a\nb,c")].map(|(id, names)| {
        Row::new([("Names", names.into()), ("ID", id.into())]).labelled(&[("com.example.my-role".into(), "x".into())])
    });
    let mut out = Vec::new();
    let print = |format: Format, out: &mut Vec<u8>| {
        Rows {
            kind: "*formatter.ContainerContext",
            headers: &[("ID", "CONTAINER ID"), ("Names", "NAMES")],
            format: &format,
        }
        .print(out, rows)
        .map_err(|error| error.to_string())
    };
    match Format::parse(Some(format), usual)
        .map_err(|error| error.to_string())
        .and_then(|format| print(format, &mut out))
    {
        Ok(()) => String::from_utf8(out).unwrap(),
        Err(error) => error,
    }
}

#[test]
fn lists_are_printed_as_docker_prints_them() {
    for (format, text) in [
        ("table", "CONTAINER ID   NAMES\n4f1c0b7a12d3   web\\x1b\n0123456789ab   a\\nb,c\n"),
        (
            "json",
            "{\"ID\":\"4f1c0b7a12d3\",\"Names\":\"web\\u001b\"}\n{\"ID\":\"0123456789ab\",\"Names\":\"a\\nb,c\"}\n",
        ),
        ("{{.ID}}", "4f1c0b7a12d3\n0123456789ab\n"),
        (
            "table {{.Names | upper}}\\t{{.Label \"com.example.my-role\"}}",
            "NAMES     my role\nWEB\\x1b   x\nA         \nB,C       x\n",
        ),
        ("{{.Label \"com.example.my-role\"}}{{.Label \"none\"}}", "x\nx\n"),
        (
            "{{.Foo}}",
            "template parsing error: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext",
        ),
    ] {
        assert_eq!(list(format), text, "{format}");
    }
}
