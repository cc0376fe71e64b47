//! Proxies that mean harm: what is malformed, too large or too slow.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::setup::{Kind, Proxy, Setup, post, record};

on_both!(nothing_malformed_gets_in);

fn nothing_malformed_gets_in(kind: Kind) {
    let setup = Setup::new(kind);
    let companion = setup.serve(&["--admin", "127.0.0.1:0"]);
    let (client, mut proxy) = (companion.client(), Proxy::new("a"));
    proxy.sends(&client, 1);
    let good = record(2, &[]);
    let with = |name: &str, value: Option<&str>| {
        let mut headers = proxy.headers(2);
        headers.retain(|(known, _)| known != name);
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        post(&client, &headers, &good).unwrap()
    };
    for (name, value, status) in [
        ("content-type", None, 415),
        ("content-type", Some("application/json"), 415),
        ("x-sallyport-node", None, 400),
        ("x-sallyport-node", Some("two words"), 400),
        ("sallyport-audit-epoch", None, 400),
        ("sallyport-audit-epoch", Some("zz"), 400),
        ("sallyport-audit-epoch", Some("0000000000000000000000000000000G"), 400),
        ("sallyport-audit-first", None, 400),
        ("sallyport-audit-first", Some("-2"), 400),
        ("sallyport-audit-first", Some("3"), 400),
        ("sallyport-audit-first", Some("99999999999999999999"), 400),
        ("sallyport-audit-dropped", Some("many"), 400),
        ("sallyport-audit-dropped", Some("9999999999999999"), 400),
    ] {
        let answer = with(name, value);
        assert_eq!(answer.status, status, "{name}: {value:?}: {}", answer.text());
        assert!(answer.json()["message"].is_string());
    }
    let secret = "never-show-this";
    for (body, status) in [
        (String::new(), 400),
        (format!("{good}\n\n{}", record(3, &[])), 400),
        (format!("{good}\n{good}"), 400),
        (good.replace("\"allow\"", &format!("\"{secret}\"")), 400),
        // What would end a line, or drive a terminal, for who reads them later.
        (good.replace("\"reason\"", "\r\"reason\""), 400),
        (record(2, &[("x", json!("\u{9b}31m"))]), 400),
        (good.replace('}', &format!(",\"{secret}\":1,\"{secret}\":2}}")), 400),
        (
            record(2, &[("deep", json!(null))])
                .replace("\"deep\":null", &format!("\"deep\":{}1{}", "[".repeat(99), "]".repeat(99))),
            400,
        ),
        (record(2, &[("x", json!("x".repeat(17_000)))]), 413),
        ((2..=502).map(|seq| record(seq, &[])).collect::<Vec<_>>().join("\n"), 413),
        ("x".repeat(300 * 1024), 413),
    ] {
        let answer = proxy.send(&client, 2, &body).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains(secret));
    }
    assert!(!format!("{:?}", companion.log()).contains(secret));
    assert_eq!(client.get("/v1/records", &[]).status, 405);
    let admin = super::http::Client::new(companion.admin.unwrap());
    assert_eq!(proxy.send(&admin, 2, &good).unwrap().status, 404, "not where there are no certificates");
    assert_eq!(setup.all().len(), 1);
    assert!(companion.metric("sallyport_companion_audit_refused_total") >= 20.0);
    proxy.sends(&client, 1);
    setup.verified();
}

#[test]
fn a_body_in_chunks_that_are_none_is_malformed() {
    let setup = Setup::new(Kind::Sqlite);
    let companion = setup.serve(&[]);
    let head: String =
        Proxy::new("a").headers(1).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    for body in ["zz\r\n{\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}", "3\r\n{}x{}\r\n"] {
        let mut stream = TcpStream::connect(companion.address).unwrap();
        let head =
            format!("POST /v1/records HTTP/1.1\r\nhost: c\r\n{head}transfer-encoding: chunked\r\n\r\n");
        stream.write_all((head + body).as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 400"), "{}", super::setup::text(&answer[..read]));
    }
    assert_eq!(companion.metric("sallyport_companion_audit_refused_total"), 3.0);
    let told = companion.logged("records were refused").len();
    assert!((1..3).contains(&told), "not each time: {told}");
}

#[test]
fn a_body_that_dribbles_is_given_up() {
    let setup = Setup::new(Kind::Sqlite);
    let companion = setup.serve(&[]);
    let proxy = Proxy::new("a");
    let mut stream = TcpStream::connect(companion.address).unwrap();
    let headers: String =
        proxy.headers(1).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("POST /v1/records HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: 1000\r\n\r\n{{");
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let start = Instant::now();
    let mut answer = [0; 512];
    let read = stream.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 408"), "{}", super::setup::text(&answer[..read]));
    assert!((8..25).contains(&start.elapsed().as_secs()));
}

#[test]
fn a_companion_without_a_store_takes_no_records() {
    let setup = Setup::new(Kind::Sqlite);
    let companion = setup.project.serve(&[]);
    assert_eq!(Proxy::new("a").send(&companion.client(), 1, &record(1, &[])).unwrap().status, 404);
}
