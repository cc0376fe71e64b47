//! Retention: what leaves at the old end, and that the rest still verifies.

use std::fs;

use super::common::until;
use super::setup::{Kind, Proxy, Setup};

on_both!(what_is_old_is_retired_and_the_rest_verifies, the_oldest_go_when_there_is_too_much);

const DAY: u64 = 86_400_000;

fn what_is_old_is_retired_and_the_rest_verifies(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = setup.serve(&[]);
    let mut proxy = Proxy::new("a");
    for _ in 0..4 {
        proxy.sends(&companion.client(), 5);
    }
    let heads = setup.project.name("heads");
    fs::write(&heads, setup.printed(&["heads"])).unwrap();
    drop(companion);
    // Time goes by: the first ten are three days old. Their hashes cover when they were received, so they are made good by hand below.
    setup.tamper(&format!("UPDATE audit_records SET received = received - {} WHERE place <= 10", 3 * DAY));
    assert_eq!(setup.verify(&[]).0, Some(1));
    let companion = setup.serve(&["--audit-keep-days", "2"]);
    until("they are retired", || {
        (companion.metric("sallyport_companion_audit_records_total{what=\"retired\"}") == 10.0).then_some(())
    });
    let told = setup.verified();
    assert!(told.contains("node:a: 10 records, 10 retired"), "{told}");
    assert_eq!(setup.verify(&["--heads", &heads]).0, Some(0), "heads of before still hold");
    proxy.sends(&companion.client(), 1);
    assert!(setup.verified().contains("node:a: 11 records, 10 retired"));
    let all = setup.all();
    assert_eq!((all.len(), &all[0]["place"]), (11, &11.into()), "places stay what they are");

    // Removing the rest of what was retired, and one more, is still found.
    setup.tamper("DELETE FROM audit_records WHERE place = 11");
    let (code, told) = setup.verify(&[]);
    assert!(code == Some(1) && told.contains("record 11 was removed"), "{told}");
}

fn the_oldest_go_when_there_is_too_much(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = setup.serve(&["--audit-keep-mib", "1"]);
    let client = companion.client();
    let (mut first, mut second) = (Proxy::new("a"), Proxy::new("b"));
    first.sends(&client, 400);
    for _ in 0..10 {
        second.sends(&client, 400);
    }
    until("some are retired", || {
        (companion.metric("sallyport_companion_audit_records_total{what=\"retired\"}") > 500.0).then_some(())
    });
    let kept = setup.all();
    let bytes: usize = kept.iter().map(|line| line["record"].to_string().len()).sum();
    assert!(bytes <= 1024 * 1024 && bytes > 900 * 1024, "{bytes}");
    assert!(kept.iter().all(|line| line["proxy"] == "node:b"), "the oldest were of the other");
    assert_eq!(kept.last().unwrap()["record"]["seq"], 4000, "and the newest stay");
    assert!(setup.verified().contains("node:a: 0 records, 400 retired"));
}
