//! What is done to the store behind the program's back, and what `audit verify` says of it.

use std::fs;

use super::common::run;
use super::setup::{Kind, Proxy, Setup, text};

on_both!(
    whatever_is_changed_is_found_and_named,
    an_exported_head_tells_of_what_was_cut_off,
    what_another_key_signed_is_not_believed,
);

const A: &str = "(SELECT chain FROM audit_chains WHERE proxy = 'node:a')";

const MISCOUNTED: &str = "how many never came can not be told";

fn filled(kind: Kind) -> Setup {
    let setup = Setup::new(kind);
    let companion = setup.serve(&[]);
    for (node, count) in [("a", 10), ("b", 3)] {
        let mut proxy = Proxy::new(node);
        for _ in 0..2 {
            proxy.sends(&companion.client(), count);
        }
    }
    setup
}

fn whatever_is_changed_is_found_and_named(kind: Kind) {
    let setup = filled(kind);
    let raw = |like: &str| match kind {
        Kind::Sqlite => format!("CAST(REPLACE(CAST(raw AS TEXT), {like}) AS BLOB)"),
        Kind::Postgres => format!("CONVERT_TO(REPLACE(CONVERT_FROM(raw, 'UTF8'), {like}), 'UTF8')"),
    };
    let record = |place: u64| format!("WHERE chain = {A} AND place = {place}");
    let swap = |columns: &[&str]| {
        let set: Vec<_> = columns.iter().map(|c| format!("{c} = (SELECT s.{c} FROM audit_records s WHERE s.chain = t.chain AND s.place = 13 - t.place)")).collect();
        format!("UPDATE audit_records AS t SET {} WHERE t.chain = {A} AND t.place IN (6, 7);", set.join(", "))
    };
    let unindexed = "DROP INDEX audit_records_once;";
    let cases = [
        (
            format!("DELETE FROM audit_records {}", record(5)),
            "record 5 was removed; 4 records before are good",
        ),
        (
            format!("DELETE FROM audit_records WHERE chain = {A} AND place <= 2"),
            "records 1 to 2 were removed",
        ),
        (
            format!("DELETE FROM audit_records WHERE chain = {A} AND place >= 19"),
            "records 19 to 20, the newest, were removed",
        ),
        (
            format!("UPDATE audit_records SET raw = {} {}", raw("'allow', 'denyy'"), record(8)),
            "record 8 (epoch ",
        ),
        (format!("UPDATE audit_records SET seq = 99 {}", record(9)), "record 9 (epoch "),
        (format!("UPDATE audit_records SET received = received + 1 {}", record(4)), "record 4 (epoch "),
        (format!("UPDATE audit_records SET time = time + 1 {}", record(4)), "record 4 (epoch "),
        (format!("{unindexed}{}", swap(&["raw", "seq", "time", "hash"])), "record 6 (epoch "),
        (format!("{unindexed}{}", swap(&["raw", "seq", "time"])), "record 6 (epoch "),
        (
            format!("UPDATE audit_chains SET length = 19 WHERE chain = {A}"),
            "no key given here signed its head",
        ),
        (
            format!("UPDATE audit_chains SET retired = 2 WHERE chain = {A}"),
            "no key given here signed its head",
        ),
        (
            format!(
                "INSERT INTO audit_records SELECT chain, place + 1, epoch, seq + 1, time, received, hash, raw FROM audit_records {}",
                record(20)
            ),
            "record 21 was put in",
        ),
        (format!("UPDATE audit_epochs SET stored = stored + 3 WHERE chain = {A}"), MISCOUNTED),
        (format!("UPDATE audit_epochs SET lowest = lowest - 1 WHERE chain = {A}"), MISCOUNTED),
        (format!("UPDATE audit_epochs SET highest = highest + 9 WHERE chain = {A}"), MISCOUNTED),
        (format!("UPDATE audit_epochs SET place = place - 1 WHERE chain = {A}"), MISCOUNTED),
        (format!("DELETE FROM audit_epochs WHERE chain = {A}"), MISCOUNTED),
        (format!("DELETE FROM audit_chains WHERE chain = {A}"), "20 records belong to no chain"),
    ];
    let kept = "CREATE TABLE kept_records AS SELECT * FROM audit_records; CREATE TABLE kept_chains AS SELECT * FROM audit_chains; \
        CREATE TABLE kept_epochs AS SELECT * FROM audit_epochs;";
    let back = "DELETE FROM audit_records; DELETE FROM audit_chains; DELETE FROM audit_epochs; \
        INSERT INTO audit_records SELECT * FROM kept_records; INSERT INTO audit_chains SELECT * FROM kept_chains; \
        INSERT INTO audit_epochs SELECT * FROM kept_epochs; \
        CREATE UNIQUE INDEX IF NOT EXISTS audit_records_once ON audit_records (chain, epoch, seq);";
    setup.tamper(kept);
    for (statement, expected) in cases {
        setup.verified();
        setup.tamper(&statement);
        let (code, told) = setup.verify(&[]);
        assert!(code == Some(1) && told.contains(expected), "{statement}\n{told}");
        assert!(told.contains("good   node:b: 6 records"), "the other chain is as it was\n{told}");
        setup.tamper(back);
    }
}

fn an_exported_head_tells_of_what_was_cut_off(kind: Kind) {
    let setup = filled(kind);
    // The store as it was once, head and all: by itself it is good.
    let tables = ["audit_records", "audit_chains", "audit_epochs"];
    let each = |statement: &str| tables.map(|table| statement.replace('$', table)).concat();
    setup.tamper(&each("CREATE TABLE old_$ AS SELECT * FROM $;"));
    let companion = setup.serve(&[]);
    let mut proxy = Proxy::new("a");
    proxy.next = 21;
    proxy.sends(&companion.client(), 5);
    let heads = setup.project.name("heads");
    fs::write(&heads, setup.printed(&["heads"])).unwrap();
    assert_eq!(setup.verify(&["--heads", &heads]).0, Some(0));
    proxy.sends(&companion.client(), 5);
    assert_eq!(setup.verify(&["--heads", &heads]).0, Some(0), "and so it is when there is more");
    drop(companion);
    setup.tamper(&each("DELETE FROM $; INSERT INTO $ SELECT * FROM old_$;"));
    setup.verified();
    let (code, told) = setup.verify(&["--heads", &heads]);
    assert!(code == Some(1) && told.contains("records 21 to 25, the newest, were removed"), "{told}");

    // What was received since took the place of what was cut off.
    let companion = setup.serve(&[]);
    proxy.epoch = "ab".repeat(16);
    proxy.sends(&companion.client(), 6);
    drop(companion);
    setup.verified();
    let (code, told) = setup.verify(&["--heads", &heads]);
    assert!(
        code == Some(1) && told.contains("up to record 25 it is not what the exported head tells of"),
        "{told}"
    );

    setup.tamper(&each(
        &format!("DELETE FROM $ WHERE chain = {A};")
            .replace("audit_chains WHERE proxy", "old_audit_chains WHERE proxy"),
    ));
    setup.verified();
    let (code, told) = setup.verify(&["--heads", &heads]);
    assert!(code == Some(1) && told.contains("WRONG  node:a: the whole chain is gone"), "{told}");
}

fn what_another_key_signed_is_not_believed(kind: Kind) {
    let setup = filled(kind);
    run(&["keygen", "-o", &setup.project.name("other")]);
    let other = setup.audit(&["verify", "--key", &setup.project.name("other.pub")]);
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stdout).contains("no key given here signed its head"));
    let heads = setup.printed(&["heads"]);
    let forged = heads.replace("\"length\":20", "\"length\":19");
    fs::write(setup.project.path("forged"), forged).unwrap();
    let (code, told) = setup.verify(&["--heads", &setup.project.name("forged")]);
    assert!(code == Some(1) && told.contains("the exported head of 19 records is not signed"), "{told}");
}
