//! Conditions, long polls, encodings and protocols.

use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use hyper::Method;

use sallyport_engine::bundle::FORMAT;

use super::common::{Project, until};
use super::http::Client;

#[test]
fn who_has_it_is_told_so() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let first = companion.bundle();
    let hex = first.etag().trim_matches('"');
    assert!(hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    let gzip = format!("\"{hex}-gzip\"");
    for tags in
        [first.etag(), &gzip, "*", &format!("\"x\", {}", first.etag()), &format!("W/{}", first.etag())]
    {
        let start = Instant::now();
        let answer = companion.get("/v1/bundle", &[("if-none-match", tags)]);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{tags}");
        assert_eq!((answer.etag(), answer.serial()), (first.etag(), first.serial()));
        assert!(start.elapsed() < Duration::from_secs(2), "who does not ask to wait does not");
    }
    assert_eq!(companion.get("/v1/bundle", &[("if-none-match", "\"other\"")]).status, 200);
    let head = companion.client().ask(Method::HEAD, "/v1/bundle", &[]).unwrap();
    assert_eq!((head.status, head.etag(), head.body.len()), (200, first.etag(), 0));
    assert_eq!(companion.client().ask(Method::POST, "/v1/bundle", &[]).unwrap().status, 405);
}

#[test]
fn a_long_poll_ends_with_the_change_or_with_its_time() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let first = companion.bundle();
    let poll = |path: &'static str, etag: String, wait: &'static str| {
        let client = companion.client();
        thread::spawn(move || {
            let start = Instant::now();
            (client.get(path, &[("if-none-match", &etag), ("prefer", wait)]), start.elapsed())
        })
    };
    let (answer, took) = poll("/v1/bundle", first.etag().to_owned(), "wait=1").join().unwrap();
    assert_eq!((answer.status, answer.header("preference-applied")), (304, "wait"));
    assert!(took >= Duration::from_millis(950) && took < Duration::from_secs(10), "{took:?}");

    let slice = companion.get("/v1/bundle/tools/docs", &[]);
    let waiting = [
        poll("/v1/bundle", first.etag().to_owned(), "wait=30"),
        poll("/v1/bundle/tools/docs", slice.etag().to_owned(), "wait=30"),
    ];
    until("both wait", || (companion.metric("sallyport_companion_waiting") >= 2.0).then_some(()));
    let start = Instant::now();
    project.edit("changed");
    for poll in waiting {
        let (answer, _) = poll.join().unwrap();
        assert_eq!((answer.status, answer.header("preference-applied")), (200, "wait"));
        assert!(answer.serial() > first.serial());
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(companion.metric("sallyport_companion_waiting"), 0.0);
}

#[test]
fn what_is_compressed_is_the_same_bundle_with_a_tag_of_its_own() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let plain = companion.bundle();
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
    let packed = companion.get("/v1/bundle", &[("accept-encoding", "gzip")]);
    assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "accept-encoding"));
    assert!(packed.body.len() * 2 < plain.body.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    assert_eq!(packed.etag(), format!("{}-gzip\"", plain.etag().trim_end_matches('"')));
    let refused = companion.get("/v1/bundle", &[("accept-encoding", "gzip;q=0, br")]);
    assert_eq!(refused.body, plain.body);
    let same = companion.get("/v1/bundle", &[("accept-encoding", "gzip"), ("if-none-match", packed.etag())]);
    assert_eq!((same.status, same.etag()), (304, packed.etag()));
}

#[test]
fn http_2_needs_no_upgrade() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let first = companion.bundle();
    let client = Client { http2: true, ..companion.client() };
    let answer = client.get("/v1/bundle", &[]);
    assert_eq!((answer.status, &answer.body), (200, &first.body));
    let same = client.get("/v1/bundle", &[("if-none-match", first.etag()), ("prefer", "wait=1")]);
    assert_eq!((same.status, same.etag()), (304, first.etag()));
}

#[test]
fn who_is_ahead_waits_for_this_replica_and_is_then_told() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let first = companion.bundle();
    let later = (first.serial() + 1).to_string();
    let headers = [("x-sallyport-serial", later.as_str()), ("if-none-match", "\"another\"")];
    let answer = companion.get("/v1/bundle", &headers);
    assert_eq!((answer.status, &answer.json()["error"]), (409, &"behind".into()));
    let with_wait = [&headers[..], &[("prefer", "wait=20")]].concat();
    let client = companion.client();
    thread::scope(|scope| {
        let poll = scope.spawn(|| client.get("/v1/bundle", &with_wait));
        until("it waits", || (companion.metric("sallyport_companion_waiting") >= 1.0).then_some(()));
        project.edit("later");
        let answer = poll.join().unwrap();
        assert!(answer.status == 200 && answer.serial() > first.serial());
    });
}

#[test]
fn a_filter_that_could_not_use_it_is_told_to_upgrade() {
    let project = Project::new();
    let companion = project.serve(&[]);
    companion.bundle();
    for (header, value) in [("x-sallyport-engine", "0"), ("x-sallyport-format", "2")] {
        let answer = companion.get("/v1/bundle", &[(header, value)]);
        assert_eq!(answer.status, 409, "{header}");
        assert!(answer.json()["upgrade"].as_str().unwrap().contains("module"));
    }
    let format = FORMAT.to_string();
    let good =
        [("x-sallyport-engine", "1"), ("x-sallyport-format", &format), ("x-sallyport-module", "0.1.0")];
    assert_eq!(companion.get("/v1/bundle", &good).status, 200);
}
