//! `pin`: the digests of tools, for policy.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sallyport_engine::is_tool_name;
use sallyport_engine::json::{Document, Kind, Numbers, Value};
use sallyport_engine::policy::ToolPin;

use super::{fail, print};
use crate::check::DIGEST_PREFIX;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the server answers to `tools/list`, or the list in it; `-`, or none, is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    path: PathBuf,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut text = Vec::new();
    let read = if args.path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(&args.path).map(|bytes| text = bytes)
    };
    let pinned = read.map_err(|error| error.to_string()).and_then(|()| pins(&text));
    match pinned {
        Ok(yaml) => print(&yaml),
        Err(why) => fail(&format!("`{}` can not be pinned: {why}", args.path.display())),
    }
}

/// The `tools` of a Service, from a list of tools.
fn pins(text: &[u8]) -> Result<String, String> {
    let document =
        Document::parse_with(text, Numbers::Opaque).map_err(|error| format!("it holds {error}"))?;
    let root = document.root().ok_or("it holds nothing")?;
    let list =
        list(root).ok_or("there is no list of tools in it: save the JSON of the answer to `tools/list`")?;
    let mut pins = list.items().map(pin).collect::<Result<Vec<_>, _>>()?;
    if pins.is_empty() {
        return Err("the list is empty".to_owned());
    }
    pins.sort_unstable();
    if let Some([first, _]) = pins.array_windows().find(|[a, b]| a.0 == b.0) {
        return Err(format!("it offers two tools of the name `{}`", first.0));
    }
    let mut yaml = "tools:\n".to_owned();
    for (name, digest) in pins {
        // Writing to a String cannot fail. Words such as `on` are no text in YAML unless they are quoted.
        let _ = writeln!(yaml, "  - name: \"{name}\"\n    digest: {DIGEST_PREFIX}{digest}");
    }
    Ok(yaml)
}

/// The list in an answer of JSON-RPC, in its result, or by itself.
fn list(root: Value<'_>) -> Option<Value<'_>> {
    let result = root.get("result").unwrap_or(root);
    Some(result.get("tools").unwrap_or(result)).filter(|list| list.kind() == Kind::Array)
}

fn pin(tool: Value<'_>) -> Result<(String, String), String> {
    let name = tool.get("name").and_then(|name| name.as_str()).ok_or("a tool in it has no name")?;
    if !is_tool_name(&name) {
        return Err("a tool in it has a name that no rule grants".to_owned());
    }
    Ok((name.into_owned(), ToolPin::digest_of(&tool)))
}

#[cfg(test)]
mod tests {
    use super::pins;

    #[test]
    fn a_list_is_pinned_however_it_is_wrapped_and_written() {
        let tools = r#"[{"name":"on","description":"b"},{"name":"fetch","x":1e0}]"#;
        let yaml = pins(tools.as_bytes()).unwrap();
        for wrapped in
            [format!(r#"{{"tools":{tools}}}"#), format!(r#"{{"id":1,"result":{{"tools":{tools}}}}}"#)]
        {
            assert_eq!(pins(wrapped.as_bytes()).unwrap(), yaml);
        }
        // As `printf '{"name":"fetch","x":1}' | sha256sum` has it.
        let digest = "d5792523da0ee07a71f1d095ffdaf3da095a289e701f59d9e8f26882958d7250";
        let first = format!("tools:\n  - name: \"fetch\"\n    digest: sha256:{digest}\n  - name: \"on\"\n");
        assert!(yaml.starts_with(&first), "{yaml}");
    }

    #[test]
    fn what_can_not_be_pinned_says_why() {
        for (text, why) in [
            ("{", "it holds something that is not JSON at byte 1"),
            ("[]", "the list is empty"),
            (
                r#"{"result":{"content":[]}}"#,
                "there is no list of tools in it: save the JSON of the answer to `tools/list`",
            ),
            (r#"[{"title":"x"}]"#, "a tool in it has no name"),
            (r#"[{"name":"a b"}]"#, "a tool in it has a name that no rule grants"),
            (r#"[{"name":"a"},{"name":"a","x":1}]"#, "it offers two tools of the name `a`"),
        ] {
            assert_eq!(pins(text.as_bytes()).unwrap_err(), why, "{text}");
        }
    }
}
