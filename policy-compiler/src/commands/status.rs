//! `status`: who runs what, as a companion was told.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;

use super::{Format, print, table};
use crate::report::printable;
use crate::serve::{ClientFiles, get};

/// Who is answered.
const SHOWN_TO: &str =
    "a companion shows this to whom its `--authorize PATTERN=*` names, and at its `--admin`";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The companion's address, or that of its `--admin`
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8470")]
    url: String,
    /// The CAs that the companion's certificate must be from, for `https`
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The certificate to show the companion
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What `/v1/fleet` answers.
#[derive(Deserialize)]
struct Fleet {
    serial: Option<u64>,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    node: String,
    audience: Option<String>,
    spiffe_id: Option<String>,
    engine: Option<u32>,
    module: Option<String>,
    serial: Option<u64>,
    published: Option<u64>,
    refused: Option<String>,
    #[serde(default)]
    unheard: bool,
    since: String,
    last_seen: String,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let files = ClientFiles { ca: args.tls_ca.clone(), own: args.tls_cert.clone().zip(args.tls_key.clone()) };
    let told = |why: String| args.format.fail(&format!("`{}`: {why}", args.url));
    let answer = match get(&args.url, "/v1/fleet", &files) {
        Ok(answer) => answer,
        Err(why) if why.contains("403") => return told(format!("{why}: {SHOWN_TO}")),
        Err(why) => return told(why),
    };
    let text = match args.format {
        Format::Json => serde_json::from_slice::<serde_json::Value>(&answer)
            .and_then(|value| serde_json::to_string_pretty(&value))
            .map(|text| text + "\n"),
        Format::Text => serde_json::from_slice(&answer).map(|fleet| listing(&fleet)),
    };
    match text {
        Ok(text) => print(&text),
        Err(_) => told("the answer is none of a companion".to_owned()),
    }
}

fn listing(fleet: &Fleet) -> String {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let text = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), printable);
    let published = match fleet.serial {
        Some(serial) => format!("serial {serial} is published"),
        None => "nothing is published".to_owned(),
    };
    let counted = |what: &str, word: &str| {
        let count = fleet.nodes.iter().filter(|node| state(node) == what).count();
        (count > 0).then(|| format!("{count} {word}"))
    };
    let states = [
        ("current", "current"),
        ("behind", "behind"),
        ("ahead", "ahead"),
        ("none", "without policy"),
        ("unheard", "not heard of since"),
    ];
    let mut parts: Vec<_> = states.iter().filter_map(|(what, word)| counted(what, word)).collect();
    let refusing = fleet.nodes.iter().filter(|node| node.refused.is_some()).count();
    parts.extend((refusing > 0).then(|| format!("{refusing} refused the last bundle")));
    let nodes = match fleet.nodes.len() {
        0 => "no node asked in the last five minutes".to_owned(),
        1 => format!("1 node: {}", parts.join(", ")),
        count => format!("{count} nodes: {}", parts.join(", ")),
    };
    let head =
        ["NODE", "AUDIENCE", "SERIAL", "STATE", "SINCE", "SEEN", "ENGINE", "MODULE", "IDENTITY", "REFUSED"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(fleet.nodes.iter().map(|node| {
        vec![
            printable(&node.node),
            text(&node.audience),
            number(node.serial),
            state(node).to_owned(),
            printable(&node.since),
            printable(&node.last_seen),
            number(node.engine.map(u64::from)),
            text(&node.module),
            text(&node.spiffe_id),
            text(&node.refused),
        ]
    }));
    let rows = if fleet.nodes.is_empty() { String::new() } else { table::lines(&rows, 0) };
    format!("{published}; {nodes}\n{rows}")
}

/// How what a node enforces compares with what it would be sent.
fn state(node: &Node) -> &'static str {
    match (node.serial, node.published) {
        _ if node.unheard => "unheard",
        (None, _) => "none",
        (Some(theirs), Some(ours)) if theirs < ours => "behind",
        (theirs, ours) if theirs == ours => "current",
        _ => "ahead",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_listed_and_nothing_of_them_drives_a_terminal() {
        let node = |name: &str, serial: Option<u64>| Node {
            node: name.to_owned(),
            audience: Some("tools/api".to_owned()),
            spiffe_id: None,
            engine: Some(1),
            module: Some("0.1.0".to_owned()),
            serial,
            published: Some(7),
            refused: serial.is_none().then(|| "signature".to_owned()),
            unheard: serial == Some(5),
            since: "2026-11-22T08:00:00Z".to_owned(),
            last_seen: "2026-11-22T08:00:01Z".to_owned(),
        };
        let nodes =
            vec![node("a", Some(7)), node("b\u{1b}[2J", Some(6)), node("c", None), node("d", Some(5))];
        let text = listing(&Fleet { serial: Some(7), nodes });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "serial 7 is published; 4 nodes: 1 current, 1 behind, 1 without policy, 1 not heard of since, 1 refused the last bundle"
        );
        assert!(lines[2].starts_with("a") && lines[2].contains("  current  "), "{text}");
        assert!(lines[3].contains("behind") && !text.contains('\u{1b}'), "{text}");
        assert!(lines[4].ends_with("signature"), "{text}");
        assert!(lines[5].starts_with('d') && lines[5].contains("  unheard  "), "{text}");
        let empty = listing(&Fleet { serial: None, nodes: Vec::new() });
        assert_eq!(empty, "nothing is published; no node asked in the last five minutes\n");
    }
}
