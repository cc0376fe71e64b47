//! `audit export --format parquet`, read back by Apache Arrow's own reader.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::setup::{Kind, Proxy, Setup, record, text};

on_both!(parquet_says_what_the_records_say);

/// What the reader says of a file: its columns, and its rows.
fn read(file: &str) -> (Value, Vec<Value>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = Command::new(root.join("scripts/python-env"))
        .arg(root.join("tests/parquet/requirements.txt"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let python = text(&made.stdout);
    let output =
        Command::new(python.trim()).arg(root.join("tests/parquet/read.py")).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let mut lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.next().unwrap(), lines.collect())
}

fn parquet_says_what_the_records_say(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = setup.serve(&[]);
    let client = companion.client();
    let finding =
        json!([{"detector": "d", "where": "request:/x", "offset": 1, "length": 20, "action": "block"}]);
    let lines = [
        record(
            1,
            &[("agent", json!("pay\u{1b}\u{e4}\u{1f600}")), ("requestBytes", json!((1_u64 << 53) - 1))],
        ),
        record(2, &[("findings", finding), ("status", json!(403)), ("verdict", json!("deny"))]),
        record(3, &[("later", json!({"a": [1]})), ("agent", json!(""))]),
    ];
    assert_eq!(Proxy::new("a").send(&client, 1, &lines.join("\n")).unwrap().status, 200);
    // More than one row group has.
    let mut proxy = Proxy::new("b");
    (0..26).for_each(|_| proxy.sends(&client, 400));
    let file = setup.project.name("records.parquet");
    setup.printed(&["export", "--format", "parquet", "--output", &file]);
    let (head, rows) = read(&file);
    assert_eq!(head["groups"], 2);
    for (column, wanted) in [
        ("received", "timestamp[ms, tz=UTC]"),
        ("verified", "bool"),
        ("status", "int64"),
        ("agent", "string"),
    ] {
        assert_eq!(head["types"][column], wanted, "{column}");
    }
    let all = setup.all();
    assert_eq!((rows.len(), all.len()), (10_403, 10_403));
    for (row, line) in rows.iter().zip(&all) {
        for key in ["received", "proxy", "verified", "epoch", "place"] {
            assert_eq!(row[key], line[key], "{key}");
        }
        let parsed = |key: &str| {
            let text = row[key].as_str();
            text.map_or(Value::Null, |text| serde_json::from_str::<Value>(text).unwrap())
        };
        assert_eq!(parsed("record"), line["record"]);
        for (key, value) in line["record"].as_object().unwrap() {
            match key.as_str() {
                "findings" => assert_eq!(parsed(key), *value),
                "later" => assert!(row.get(key).is_none(), "what is not known is in `record` alone"),
                _ => assert_eq!(row[key], *value, "{key}"),
            }
        }
    }
    let denied = setup.project.name("denied.parquet");
    setup.printed(&["export", "--format", "parquet", "--verdict", "deny", "--output", &denied]);
    assert_eq!(read(&denied).1.len(), 1);
    setup.printed(&["export", "--format", "parquet", "--verdict", "hold", "--output", &denied]);
    assert_eq!(read(&denied).1.len(), 0, "a file without rows is one, too");
    let told = setup.audit(&["export", "--format", "parquet"]);
    assert!(!told.status.success() && text(&told.stderr).contains("--output"), "{}", text(&told.stderr));
}
