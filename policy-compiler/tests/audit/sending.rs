//! What is acknowledged, once and for all: repetitions, conflicts, gaps, several replicas.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::json;

use super::common::{PROGRAM, replace, until};
use super::setup::{Kind, Proxy, Setup, record};

on_both!(
    what_is_acknowledged_is_stored_byte_for_byte,
    a_repeated_record_is_stored_once_and_other_bytes_are_refused,
    gaps_are_known,
    replicas_share_a_store,
);

fn what_is_acknowledged_is_stored_byte_for_byte(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = setup.serve(&[]);
    for http2 in [false, true] {
        let client = super::http::Client { http2, ..companion.client() };
        let mut proxy = Proxy::new(&format!("a{http2}"));
        until("the store is open", || {
            proxy.send(&client, 1, &record(1, &[])).ok().filter(|answer| answer.status == 200)
        });
        proxy.next = 2;
        proxy.sends(&client, 499);
        proxy.sends(&client, 1);
        // Keys that nobody knows yet are kept, and so is every byte.
        let strange = record(502, &[("later", json!({"x": ["\u{1f680}", null, 1.5]}))]).replace(':', ": ");
        let answer = proxy.send(&client, 502, &strange).unwrap();
        assert_eq!(answer.json(), json!({"acknowledged": 502}));
        let lines = setup.printed(&["export", "--proxy", &format!("node:a{http2}")]);
        assert_eq!(lines.lines().count(), 502);
        assert!(lines.lines().last().unwrap().contains(&strange), "byte for byte");
    }
    let told = setup.verified();
    assert!(told.contains("node:atrue: 502 records\n"), "{told}");
    assert_eq!(companion.metric("sallyport_companion_audit_records_total{what=\"stored\"}"), 1004.0);
    assert_eq!(companion.get("/readyz", &[]).json()["problems"], json!([]));
}

fn a_repeated_record_is_stored_once_and_other_bytes_are_refused(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = setup.serve(&[]);
    let (client, mut proxy) = (companion.client(), Proxy::new("a"));
    proxy.sends(&client, 3);
    // The same, and more behind it, as after an answer that was lost.
    proxy.next = 1;
    proxy.sends(&client, 5);
    proxy.next = 1;
    proxy.sends(&client, 2);
    assert_eq!(companion.metric("sallyport_companion_audit_records_total{what=\"repeated\"}"), 5.0);
    let other = [record(5, &[("status", json!(201))]), record(6, &[])].join("\n");
    let answer = proxy.send(&client, 5, &other).unwrap();
    assert_eq!((answer.status, &answer.json()["error"]), (409, &json!("conflict")));
    let refused = until("it is logged", || companion.logged("records were refused").first().cloned());
    assert_eq!((&refused["status"], &refused["node"]), (&json!(409), &json!("a")));
    // Of a batch that is refused, nothing is stored; in another epoch the numbers are others.
    let seqs = |setup: &Setup| {
        setup.all().iter().map(|line| line["record"]["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&setup), [1, 2, 3, 4, 5]);
    proxy.epoch = "0f".repeat(16);
    let answer = proxy.send(&client, 5, &other).unwrap();
    assert_eq!(answer.json(), json!({"acknowledged": 6}));
    assert_eq!(seqs(&setup), [1, 2, 3, 4, 5, 5, 6]);
    setup.verified();
}

fn gaps_are_known(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = setup.serve(&[]);
    let (client, mut proxy) = (companion.client(), Proxy::new("a"));
    proxy.sends(&client, 2);
    proxy.dropped = 3;
    let body = [record(4, &[]), record(7, &[])].join("\n");
    assert_eq!(proxy.send(&client, 4, &body).unwrap().json(), json!({"acknowledged": 7}));
    assert!(
        setup.verified().contains("4 records; 3 never came, as the proxy said (3 dropped)"),
        "{}",
        setup.verified()
    );
    proxy.next = 9;
    proxy.sends(&client, 1);
    assert!(
        setup.verified().contains("4 never came, and the proxy tells of 3 dropped"),
        "{}",
        setup.verified()
    );
    let json: serde_json::Value = serde_json::from_str(&setup.verify(&["--format", "json"]).1).unwrap();
    assert_eq!((&json["chains"][0]["missing"], &json["chains"][0]["dropped"]), (&json!(4), &json!(3)));
    // Whatever a proxy claims, its chain can be read.
    proxy.dropped = (1 << 53) - 1;
    proxy.next = 1 << 52;
    proxy.sends(&client, 1);
    setup.verified();
}

/// For SQLite: two processes over one file. For PostgreSQL: what it is for.
fn replicas_share_a_store(kind: Kind) {
    let setup = Setup::new(kind);
    let companions = [setup.serve(&[]), setup.serve(&[])];
    let clients: Vec<_> = companions.iter().map(super::common::Companion::client).collect();
    let senders: Vec<_> = (0..4)
        .map(|number| {
            let clients = clients.clone();
            thread::spawn(move || {
                // Two of the proxies are one: each batch comes to both replicas at the same time.
                let mut proxy = Proxy::new(&format!("p{}", number / 2));
                for _ in 0..15 {
                    let (first, body) = proxy.body(7);
                    let client = &clients[number % 2];
                    until("acknowledged", || {
                        proxy.send(client, first, &body).ok().filter(|answer| answer.status == 200)
                    });
                }
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(setup.all().len(), 2 * 15 * 7, "each once");
    setup.verified();
}

#[test]
fn a_policy_that_requires_records_is_told_of_where_none_are_taken() {
    let setup = Setup::new(Kind::Sqlite);
    let plain = fs::read_to_string(setup.project.policy()).unwrap();
    let gate = "---\napiVersion: sallyport.dev/v1\nkind: Gate\nmetadata: {name: gate}\nspec: {audit: {overflow: required}}\n";
    replace(&setup.project.policy(), &format!("{plain}{gate}"));
    let problems =
        |companion: &super::common::Companion| companion.get("/readyz", &[]).json()["problems"].clone();
    let without = setup.project.serve(&[]);
    without.bundle();
    assert_eq!(problems(&without)[0]["kind"], "audit", "{:?}", without.log());
    assert_eq!(without.metric("sallyport_companion_problems{with=\"audit\"}"), 1.0);
    let with = setup.serve(&[]);
    with.bundle();
    assert_eq!(problems(&with), json!([]));
    replace(&setup.project.policy(), &plain);
    until("all is well", || (problems(&without) == json!([])).then_some(()));

    let compile = |policy: &str| {
        let output =
            Command::new(PROGRAM).args(["compile", "--plugin-config", "--policy", policy]).output().unwrap();
        (output.status.success(), super::setup::text(&output.stderr).contains("audit.unavailable"))
    };
    assert_eq!(compile(&setup.project.name("project/policy")), (true, false));
    replace(&setup.project.policy(), &format!("{plain}{gate}"));
    assert_eq!(compile(&setup.project.name("project/policy")), (true, true));
}

#[test]
fn a_companion_without_a_store_takes_no_records() {
    let setup = Setup::new(Kind::Sqlite);
    let companion = setup.project.serve(&[]);
    let mut proxy = Proxy::new("a");
    let (first, body) = proxy.body(1);
    assert_eq!(proxy.send(&companion.client(), first, &body).unwrap().status, 404);
}
