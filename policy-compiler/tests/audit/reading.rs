//! `audit query`, `audit tail` and `audit export`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::common::PROGRAM;
use super::setup::{Kind, Proxy, Setup, record, text};

on_both!(records_are_found_by_what_is_asked, tail_shows_what_comes, exports_are_whole);

fn filled(setup: &Setup) -> super::common::Companion {
    let companion = setup.serve(&[]);
    let finding = json!([{"detector": "aws-access-key-id", "where": "request:/x", "offset": 1, "length": 20, "action": "block"}]);
    let lines = [
        record(1, &[("agent", json!("research")), ("operation", json!("mcp tools/call search_docs"))]),
        record(
            2,
            &[
                ("agent", json!("research")),
                ("verdict", json!("deny")),
                ("reason", json!("scope.tool")),
                ("status", json!(403)),
            ],
        ),
        record(
            3,
            &[
                ("agent", json!("=cmd()")),
                ("verdict", json!("deny")),
                ("reason", json!("dlp.aws-access-key-id")),
                ("findings", finding),
            ],
        ),
        record(
            4,
            &[
                ("agent", json!("pay\u{1b}[31m")),
                ("destination", json!("ledger.finance.svc")),
                ("traceId", json!("00ff")),
            ],
        ),
    ];
    let answer = Proxy::new("a").send(&companion.client(), 1, &lines.join("\n")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    Proxy::new("b").sends(&companion.client(), 2);
    companion
}

fn records_are_found_by_what_is_asked(kind: Kind) {
    let setup = Setup::new(kind);
    let _companion = filled(&setup);
    let found = |args: &[&str]| {
        let lines = setup.printed(&[&["query", "--format", "json"], args].concat());
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["record"]["seq"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), [1, 2, 3, 4, 1, 2]);
    assert_eq!(found(&["--limit", "3"]), [4, 1, 2], "the newest");
    assert_eq!(found(&["--proxy", "node:b"]), [1, 2]);
    assert_eq!(found(&["--agent", "research"]), [1, 2]);
    assert_eq!(found(&["--verdict", "deny"]), [2, 3]);
    assert_eq!(found(&["--verdict", "deny", "--reason", "scope.*"]), [2]);
    assert_eq!(found(&["--finding", "*"]), [3]);
    assert_eq!(found(&["--finding", "aws-access-key-id"]), [3]);
    assert_eq!(found(&["--operation", "mcp tools/call"]), [1]);
    assert_eq!(found(&["--destination", "ledger.finance.svc"]), [4]);
    assert_eq!(found(&["--trace", "00ff"]), [4]);
    assert_eq!(found(&["--until", "2020-01-01T00:00:00Z"]), [0; 0]);
    assert_eq!(found(&["--since", "2020-01-01T00:00:00Z", "--agent", "nobody"]), [0; 0]);
    assert_eq!(found(&["--since", "2099-01-01T00:00:00Z"]), [0; 0]);

    let table = setup.printed(&["query"]);
    assert!(table.starts_with("RECEIVED") && table.lines().count() == 7, "{table}");
    assert!(!table.contains('\u{1b}') && table.contains("scope.tool"), "{table}");
    let csv = setup.printed(&["query", "--format", "csv"]);
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].starts_with("received,proxy,verified,epoch,place,seq,time,verdict"), "{csv}");
    let columns = lines[0].split(',').count();
    assert!(lines.len() == 7 && lines.iter().all(|line| line.split(',').count() == columns), "{csv}");
    assert!(lines[3].contains(",'=cmd(),") && lines[3].contains(",aws-access-key-id,"), "{csv}");

    let nobody = setup.audit(&["query", "--verdict", "maybe"]);
    assert_eq!(nobody.status.code(), Some(2));
    let missing = Command::new(PROGRAM)
        .args(["audit", "query", "--store", &setup.project.name("none")])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2), "a store is not made by looking for it");
    assert!(!setup.project.path("none").exists());
}

fn tail_shows_what_comes(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = filled(&setup);
    let mut tail = Command::new(PROGRAM)
        .args(["audit", "tail", "--store", &setup.store(), "--lines", "1", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        (line["proxy"].as_str().unwrap().to_owned(), line["record"]["seq"].as_u64().unwrap())
    };
    assert_eq!(next(), ("node:b".to_owned(), 2), "what was there");
    let mut proxy = Proxy::new("c");
    proxy.sends(&companion.client(), 2);
    assert_eq!([next(), next()], [("node:c".to_owned(), 1), ("node:c".to_owned(), 2)]);
    proxy.sends(&companion.client(), 1);
    assert_eq!(next(), ("node:c".to_owned(), 3));
    tail.kill().unwrap();
    tail.wait().unwrap();
}

fn exports_are_whole(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = filled(&setup);
    let mut proxy = Proxy::new("c");
    for _ in 0..3 {
        proxy.sends(&companion.client(), 400);
    }
    let file = setup.project.name("out");
    setup.printed(&["export", "-o", &file]);
    let lines = fs::read_to_string(&file).unwrap();
    assert_eq!(lines.lines().count(), 1206);
    assert_eq!(lines, setup.printed(&["export"]));
    let csv = setup.printed(&["export", "--format", "csv", "--proxy", "node:c"]);
    assert_eq!(csv.lines().count(), 1201);
    assert_eq!(setup.audit(&["export", "-o", "/nowhere/out"]).status.code(), Some(2));
    // Who writes into a pipe that nobody reads any more has done its work; who writes to a full disk has not.
    for (out, code) in [("| true", 0), ("> /dev/full", 2)] {
        let line = format!("set -o pipefail; '{PROGRAM}' audit export --store '{}' {out}", setup.store());
        let ended = Command::new("bash").args(["-c", &line]).output().unwrap();
        let told = text(&ended.stderr);
        assert_eq!(
            (ended.status.code(), told.contains("store can not be read")),
            (Some(code), false),
            "{out}: {told}"
        );
    }
}
