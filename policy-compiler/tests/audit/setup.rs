//! A companion with an audit store, and proxies that send it records.

use std::process::{Command, Output};

use bytes::Bytes;
use hyper::Method;
use sallyport_playground::postgres::Postgres;
use serde_json::{Value, json};

use super::common::{Companion, PROGRAM, Project, run};
use super::http::{Answer, Client};

/// Which database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A project, a store, and the key that signs its heads.
pub(crate) struct Setup {
    pub(crate) project: Project,
    pub(crate) server: Option<Postgres>,
}

/// A proxy without a certificate, and where it stands.
pub(crate) struct Proxy {
    pub(crate) node: String,
    pub(crate) epoch: String,
    pub(crate) next: u64,
    pub(crate) dropped: u64,
}

impl Setup {
    pub(crate) fn new(kind: Kind) -> Self {
        let project = Project::new();
        run(&["keygen", "-o", &project.name("audit.key")]);
        let server = (kind == Kind::Postgres).then(|| Postgres::start(|_| Ok(Vec::new())).unwrap());
        Self { project, server }
    }

    /// What `--audit` and `--store` are given.
    pub(crate) fn store(&self) -> String {
        self.server.as_ref().map_or_else(|| self.project.name("audit.db"), Postgres::url)
    }

    pub(crate) fn key(&self) -> String {
        self.project.name("audit.key")
    }

    /// What starts the companion.
    pub(crate) fn args(&self) -> Vec<String> {
        let audit = ["--audit".to_owned(), self.store(), "--audit-key".to_owned(), self.key()];
        [self.project.args(), audit.to_vec()].concat()
    }

    pub(crate) fn serve(&self, more: &[&str]) -> Companion {
        let args = self.args();
        let all: Vec<_> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Companion::start(&all)
    }

    /// `policy-compiler audit …` on the store.
    pub(crate) fn audit(&self, args: &[&str]) -> Output {
        let (command, rest) = args.split_first().unwrap();
        Command::new(PROGRAM).args(["audit", command, "--store", &self.store()]).args(rest).output().unwrap()
    }

    /// What it prints; it must succeed.
    pub(crate) fn printed(&self, args: &[&str]) -> String {
        let output = self.audit(args);
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// The exit code of `audit verify`, and what it prints.
    pub(crate) fn verify(&self, more: &[&str]) -> (Option<i32>, String) {
        let key = format!("{}.pub", self.key());
        let output = self.audit(&[&["verify", "--key", &key], more].concat());
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    /// That everything is as it was written.
    pub(crate) fn verified(&self) -> String {
        let (code, told) = self.verify(&[]);
        assert_eq!(code, Some(0), "{told}");
        told
    }

    /// Every record, in the envelope of the store.
    pub(crate) fn all(&self) -> Vec<Value> {
        let lines = self.printed(&["export"]);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Changes the database behind the program's back.
    pub(crate) fn tamper(&self, statement: &str) {
        match &self.server {
            Some(server) => {
                let mut client = postgres::Client::connect(&server.url(), postgres::NoTls).unwrap();
                client.batch_execute(statement).unwrap();
            }
            None => {
                let connection = rusqlite::Connection::open(self.store()).unwrap();
                connection.execute_batch(statement).unwrap();
            }
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A record as the engine writes it and a proxy sends it.
pub(crate) fn record(seq: u64, more: &[(&str, Value)]) -> String {
    let time = format!("\"time\":{}", 1_795_341_600_000 + seq);
    let engine = sallyport_engine::Record::default().to_json().replace("\"time\":null", &time);
    let mut line = format!("{{\"seq\":{seq},{}", &engine[1..]);
    for (key, value) in more {
        let mut object: Value = serde_json::from_str(&line).unwrap();
        object[*key] = value.clone();
        let rest = object.as_object_mut().unwrap();
        rest.remove("seq");
        let rest = serde_json::to_string(&rest).unwrap();
        line = format!("{{\"seq\":{seq},{}", &rest[1..]);
    }
    line
}

impl Proxy {
    pub(crate) fn new(node: &str) -> Self {
        let digest = node.bytes().fold(7_u128, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Self { node: node.to_owned(), epoch: format!("{digest:032x}"), next: 1, dropped: 0 }
    }

    /// So many new records.
    pub(crate) fn body(&mut self, count: u64) -> (u64, String) {
        let first = self.next;
        self.next += count;
        let lines: Vec<_> = (first..self.next).map(|seq| record(seq, &[])).collect();
        (first, lines.join("\n"))
    }

    pub(crate) fn headers(&self, first: u64) -> Vec<(String, String)> {
        let own = [
            ("content-type", "application/x-ndjson".to_owned()),
            ("x-sallyport-node", self.node.clone()),
            ("sallyport-audit-epoch", self.epoch.clone()),
            ("sallyport-audit-first", first.to_string()),
            ("sallyport-audit-dropped", self.dropped.to_string()),
        ];
        own.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// Sends a body; the answer, or why there is none.
    pub(crate) fn send(&self, client: &Client, first: u64, body: &str) -> Result<Answer, String> {
        post(client, &self.headers(first), body)
    }

    /// Sends so many new records, which must be acknowledged.
    pub(crate) fn sends(&mut self, client: &Client, count: u64) {
        let (first, body) = self.body(count);
        let answer = self.send(client, first, &body).unwrap();
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"acknowledged": self.next - 1})),
            "{}",
            answer.text()
        );
    }
}

pub(crate) fn post(client: &Client, headers: &[(String, String)], body: &str) -> Result<Answer, String> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    client.tell(Method::POST, "/v1/records", &headers, Bytes::from(body.to_owned()))
}
