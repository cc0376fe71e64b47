//! What is done to the store behind the program's back, and what `audit verify` says of it.

use std::fs;

use super::common::run;
use super::setup::{Kind, Proxy, Setup, text};

on_both!(
    whatever_is_changed_is_found_and_named,
    an_exported_head_tells_of_what_was_cut_off,
    what_another_key_signed_is_not_believed,
    what_was_changed_is_not_signed_anew,
    chains_go_on_under_another_key,
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
    let put_in = |place: i64| {
        format!(
            "INSERT INTO audit_records SELECT chain, {place}, epoch, 99, time, received, hash, raw FROM audit_records {}",
            record(5)
        )
    };
    let short = match kind {
        Kind::Sqlite => "x'00'",
        Kind::Postgres => "'\\x00'::bytea",
    };
    // SQLite keeps what it is given, of whatever type: this is how somebody would do it by hand.
    let by_hand = [
        ("raw", "REPLACE(raw, 'allow', 'denyy')"),
        ("raw", "CAST(raw AS TEXT)"),
        ("seq", "'x'"),
        ("received", "'x'"),
    ];
    let sqlite_alone = by_hand.iter().filter(|_| kind == Kind::Sqlite).map(|(column, value)| {
        (format!("UPDATE audit_records SET {column} = {value} {}", record(8)), "record 8 (epoch ")
    });
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
        // It would be shown, and stand before all that is walked along.
        (put_in(0), "1 records were put in at places"),
        (put_in(-3), "1 records were put in at places"),
        (
            format!(
                "DELETE FROM audit_records WHERE chain = {A}; DELETE FROM audit_epochs WHERE chain = {A}; DELETE FROM audit_chains WHERE chain = {A}"
            ),
            "2 chains were begun and 1 are there",
        ),
        (
            "UPDATE audit_meta SET value = '1' WHERE name = 'chains'".to_owned(),
            "signed how many chains there are",
        ),
        ("DELETE FROM audit_meta WHERE name = 'chains'".to_owned(), "signed how many chains there are"),
        (format!("UPDATE audit_records SET hash = {short} {}", record(8)), "record 8 (epoch "),
        (
            format!("UPDATE audit_chains SET signature = {short} WHERE chain = {A}"),
            "no key given here signed its head",
        ),
        (format!("UPDATE audit_epochs SET stored = stored + 3 WHERE chain = {A}"), MISCOUNTED),
        (format!("UPDATE audit_epochs SET lowest = lowest - 1 WHERE chain = {A}"), MISCOUNTED),
        (format!("UPDATE audit_epochs SET highest = highest + 9 WHERE chain = {A}"), MISCOUNTED),
        (format!("UPDATE audit_epochs SET place = place - 1 WHERE chain = {A}"), MISCOUNTED),
        (format!("DELETE FROM audit_epochs WHERE chain = {A}"), MISCOUNTED),
        (format!("DELETE FROM audit_chains WHERE chain = {A}"), "20 records belong to no chain"),
    ];
    let cases = cases.into_iter().chain(sqlite_alone);
    let kept = "CREATE TABLE kept_records AS SELECT * FROM audit_records; CREATE TABLE kept_chains AS SELECT * FROM audit_chains; \
        CREATE TABLE kept_epochs AS SELECT * FROM audit_epochs; CREATE TABLE kept_meta AS SELECT * FROM audit_meta;";
    let back = "DELETE FROM audit_records; DELETE FROM audit_chains; DELETE FROM audit_epochs; DELETE FROM audit_meta; \
        INSERT INTO audit_records SELECT * FROM kept_records; INSERT INTO audit_chains SELECT * FROM kept_chains; \
        INSERT INTO audit_epochs SELECT * FROM kept_epochs; INSERT INTO audit_meta SELECT * FROM kept_meta; \
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

/// Whoever can change the store, and not sign, must not have it signed by the companion that goes on with it.
fn what_was_changed_is_not_signed_anew(kind: Kind) {
    let setup = filled(kind);
    let cut = format!(
        "DELETE FROM audit_records WHERE chain = {A} AND place > 15; \
         UPDATE audit_chains SET length = 15, hash = (SELECT hash FROM audit_records WHERE chain = {A} AND place = 15) WHERE proxy = 'node:a'; \
         UPDATE audit_epochs SET highest = 15, stored = 15, place = 15 WHERE chain = {A};"
    );
    setup.tamper(&cut);
    let companion = setup.serve(&["--audit-keep-mib", "1"]);
    let client = companion.client();
    let (mut cut, mut whole, fresh) = (Proxy::new("a"), Proxy::new("b"), Proxy::new("c"));
    (cut.next, whole.next) = (21, 7);
    let (first, body) = cut.body(3);
    let answer = cut.send(&client, first, &body).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    let page = companion.get("/readyz", &[]).json();
    assert!(page["problems"][0]["message"].as_str().unwrap().contains("`node:a`"), "{page}");
    whole.sends(&client, 2);
    let (code, told) = setup.verify(&[]);
    assert!(code == Some(1) && told.contains("WRONG  node:a: no key given here signed its head"), "{told}");
    assert!(told.contains("good   node:b: 8 records"), "{told}");

    // A chain that was taken away is missed, and the next to begin does not hide that.
    setup.tamper("UPDATE audit_meta SET value = '' WHERE name = 'chains'");
    let answer = fresh.send(&client, 1, &super::setup::record(1, &[])).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(setup.verify(&[]).1.contains("0 chains were begun and 2 are there"));
}

fn chains_go_on_under_another_key(kind: Kind) {
    let setup = filled(kind);
    let other = setup.project.name("other");
    run(&["keygen", "-o", &other]);
    let store = setup.store();
    let (old, new) = (format!("{}.pub", setup.key()), format!("{other}.pub"));
    let args = [setup.project.args(), ["--audit", &store, "--audit-key", &other].map(str::to_owned).to_vec()]
        .concat();
    let serve = |more: &[&str]| {
        let all: Vec<_> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        super::common::Companion::start(&all)
    };
    let mut proxy = Proxy::new("a");
    proxy.next = 21;
    {
        let companion = serve(&[]);
        let (first, body) = proxy.body(1);
        assert_eq!(proxy.send(&companion.client(), first, &body).unwrap().status, 503);
    }
    proxy.next = 21;
    let companion = serve(&["--audit-signed-by", &old]);
    proxy.sends(&companion.client(), 5);
    Proxy::new("c").sends(&companion.client(), 1);
    drop(companion);
    let output = setup.audit(&["verify", "--key", &new]);
    assert!(text(&output.stdout).contains("good   node:a: 25 records"));
    let (code, told) = setup.verify(&["--key", &new]);
    assert!(code == Some(0) && told.contains("3 chains, 32 good records"), "{told}");
}
