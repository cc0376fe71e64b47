//! Clients that are slow, many, or in the way when the companion ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::common::{Companion, PROGRAM, Project, until};
use super::http::Client;

/// How long it takes until the other side ends the connection.
fn cut_after(
    mut stream: TcpStream,
    mut dribble: impl FnMut(&mut TcpStream) -> std::io::Result<()>,
) -> Duration {
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut buffer = [0; 1024];
    loop {
        assert!(start.elapsed() < Duration::from_secs(40), "it is never cut");
        if dribble(&mut stream).is_err() {
            return start.elapsed();
        }
        match stream.read(&mut buffer) {
            Ok(0) => return start.elapsed(),
            Ok(_) => {}
            Err(why)
                if matches!(why.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return start.elapsed(),
        }
    }
}

#[test]
fn clients_that_dribble_are_cut_and_others_are_served() {
    let project = Project::new();
    let companion = project.serve(&[]);
    companion.bundle();
    let connect = || TcpStream::connect(companion.address).unwrap();
    let slow: Vec<_> = [
        ("silent", connect()),
        ("headers", {
            let mut stream = connect();
            stream.write_all(b"GET /v1/bundle HTTP/1.1\r\nx: ").unwrap();
            stream
        }),
        ("preface", {
            let mut stream = connect();
            stream.write_all(b"PRI * HT").unwrap();
            stream
        }),
        ("h2", {
            let mut stream = connect();
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
            stream
        }),
    ]
    .into_iter()
    .map(|(what, stream)| {
        let took = thread::spawn(move || {
            cut_after(stream, |stream| if what == "headers" { stream.write_all(b"a") } else { Ok(()) })
        });
        (what, took)
    })
    .collect();
    assert_eq!(companion.get("/v1/bundle", &[]).status, 200);
    for (what, took) in slow {
        let took = took.join().unwrap();
        assert!(took >= Duration::from_secs(8) && took <= Duration::from_secs(25), "{what}: {took:?}");
    }
    assert!(companion.metric("sallyport_companion_connections_ended_total{why=\"timeout\"}") >= 4.0);
    until("they are gone", || (companion.metric("sallyport_companion_connections") <= 1.0).then_some(()));
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let project = Project::new();
    let companion = project.serve(&[]);
    companion.bundle();
    let long = "x".repeat(64 * 1024);
    let refused = |client: Client| match client.ask(hyper::Method::GET, "/v1/bundle", &[("x-long", &long)]) {
        Ok(answer) => answer.status == 431,
        Err(_) => true,
    };
    assert!(refused(companion.client()));
    assert!(refused(Client { http2: true, ..companion.client() }));
    let many: Vec<_> = (0..200).map(|number| (format!("x-{number}"), "1".to_owned())).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(companion.get("/v1/bundle", &many).status, 431);
    assert_eq!(companion.get("/v1/bundle", &[]).status, 200);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn floods_of_http_2_are_ended() {
    let project = Project::new();
    let companion = project.serve(&[]);
    companion.bundle();
    // GET http /v1/bundle of `x` (RFC 7541): static names, plain values.
    let head = [&b"\x82\x86\x04\x0a/v1/bundle\x01\x01x"[..]].concat();
    let reset = |number: u32| {
        let stream = 2 * number + 1;
        [frame(1, 5, stream, &head), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let floods: [(&str, Vec<u8>); 4] = [
        ("rapid reset", (0..20_000).flat_map(reset).collect()),
        (
            "continuations",
            [frame(1, 1, 1, &head), frame(9, 0, 1, &b"\0\x01a\x01b".repeat(1000)).repeat(1000)].concat(),
        ),
        ("empty continuations", [frame(1, 1, 1, &head), frame(9, 0, 1, &[]).repeat(20_000)].concat()),
        ("windows", frame(8, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(20_000)),
    ];
    for (what, flood) in floods {
        let mut stream = TcpStream::connect(companion.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let start = Instant::now();
        let begin = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
        // It may be ended before all is written.
        let _ = stream.write_all(&[begin, flood].concat());
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let cut = ended.is_ok() || ended.is_err_and(|why| why.kind() == std::io::ErrorKind::ConnectionReset);
        assert!(cut && start.elapsed() < Duration::from_secs(5), "{what}: {:?}", start.elapsed());
        assert_eq!(companion.get("/v1/bundle", &[]).status, 200, "{what}: others are served");
    }
}

#[test]
fn there_are_only_so_many_connections() {
    let project = Project::new();
    let companion = project.serve(&["--max-connections", "3", "--admin", "127.0.0.1:0"]);
    companion.bundle();
    until("room", || (companion.metric("sallyport_companion_connections") <= 1.0).then_some(()));
    let held: Vec<_> = (0..3).map(|_| TcpStream::connect(companion.address).unwrap()).collect();
    until("they are in", || (companion.metric("sallyport_companion_connections") >= 4.0).then_some(()));
    assert!(companion.client().ask(hyper::Method::GET, "/v1/bundle", &[]).is_err());
    assert!(companion.metric("sallyport_companion_connections_ended_total{why=\"limit\"}") >= 1.0);
    let admin = Client::new(companion.admin.unwrap());
    assert_eq!(admin.get("/healthz", &[]).status, 200, "its health is seen all the same");
    drop(held);
    until("there is room again", || {
        companion
            .client()
            .ask(hyper::Method::GET, "/v1/bundle", &[])
            .ok()
            .filter(|answer| answer.status == 200)
    });
}

#[test]
fn where_files_are_few_the_admin_listener_has_some_of_its_own() {
    let project = Project::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 600; exec \"$0\" \"$@\"", PROGRAM]).args(project.args());
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let companion = Companion::spawn(command, true);
    let admin = Client::new(companion.admin.unwrap());
    until("it is ready", || (admin.get("/readyz", &[]).status == 200).then_some(()));
    let held: Vec<_> = (0..700).map(|_| TcpStream::connect(companion.address).unwrap()).collect();
    until("it is full", || {
        (companion.metric("sallyport_companion_connections_ended_total{why=\"limit\"}") >= 1.0).then_some(())
    });
    assert_eq!(admin.get("/healthz", &[]).status, 200);
    // And for files: what is edited is read and published.
    let before = companion.metric("sallyport_companion_bundle_serial");
    project.edit("another");
    until("the edit", || (companion.metric("sallyport_companion_bundle_serial") > before).then_some(()));
    assert_eq!(companion.logged("a connection can not be taken").len(), 0);
    assert_eq!(companion.logged("fewer connections than asked for: the system grants few files").len(), 1);
    drop(held);
}

#[test]
fn an_idle_connection_of_http_1_stays_for_longer_than_half_a_minute() {
    let project = Project::new();
    let companion = project.serve(&[]);
    companion.bundle();
    let mut stream = TcpStream::connect(companion.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut ask = || {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: c\r\n\r\n").unwrap();
        let mut head = [0; 512];
        let length = stream.read(&mut head).unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    };
    assert!(ask().starts_with("HTTP/1.1 200"));
    thread::sleep(Duration::from_secs(35));
    assert!(ask().starts_with("HTTP/1.1 200"));
}

#[test]
fn ending_answers_who_waits() {
    for signal in ["TERM", "INT"] {
        let project = Project::new();
        let mut companion = project.serve(&[]);
        let first = companion.bundle();
        let polls: Vec<_> = [false, true, false]
            .into_iter()
            .map(|http2| {
                let (client, etag) = (Client { http2, ..companion.client() }, first.etag().to_owned());
                thread::spawn(move || {
                    client.get("/v1/bundle", &[("if-none-match", &etag), ("prefer", "wait=50")])
                })
            })
            .collect();
        // One that never says anything does not keep it.
        let _silent = TcpStream::connect(companion.address).unwrap();
        until("all wait", || (companion.metric("sallyport_companion_waiting") >= 3.0).then_some(()));
        let start = Instant::now();
        companion.signal(signal);
        for poll in polls {
            assert_eq!(poll.join().unwrap().status, 304);
        }
        assert!(start.elapsed() < Duration::from_secs(3));
        assert_eq!(companion.ended(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        assert!(TcpStream::connect(companion.address).is_err());
        // What it wrote last may still be on its way here.
        until("it says so", || (companion.logged("stopped").len() == 1).then_some(()));
    }
}
