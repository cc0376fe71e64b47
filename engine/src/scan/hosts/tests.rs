use super::*;
use proptest::prelude::*;

fn risks(text: &str) -> Vec<HostRisk> {
    find(text).into_iter().map(|finding| finding.risk).collect()
}

/// Everything that is found wherever it is looked for.
fn find(text: &str) -> Vec<HostFinding> {
    let all = Anchors { places: Vec::new(), all: true };
    super::find(text, &Announced { urls: all.clone(), words: all })
}

/// Whether a scanner that looks for the anchors, and then only where they say, finds the same.
fn is_announced(folded: &str) -> bool {
    let lower = folded.to_ascii_lowercase();
    let noted = |known: &[&str]| {
        let mut anchors = Anchors::default();
        let is_one = |at: &usize| {
            known.iter().any(|anchor| {
                lower.as_bytes().get(*at..).is_some_and(|rest| rest.starts_with(anchor.as_bytes()))
            })
        };
        (0..lower.len()).filter(is_one).for_each(|at| anchors.note(at));
        anchors
    };
    let announced = Announced { urls: noted(URL_ANCHORS), words: noted(WORD_ANCHORS) };
    let none = announced.urls.places.is_empty() && announced.words.places.is_empty();
    (!none || could_be_host(folded.as_bytes())) && super::find(folded, &announced) == find(folded)
}

#[test]
fn every_spelling_of_a_metadata_service_is_found() {
    for text in [
        "http://169.254.169.254/latest/meta-data/",
        "HTTP://169.254.169.254",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0xA9.0xFE.0xA9.0xFE/",
        "http://0251.0376.0251.0376/",
        "http://0251.254.169.254",
        "http://169.254.43518/",
        "http://169.16689662/",
        "http://169.254.169.254./",
        "http://%31%36%39.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]:80/",
        "http://[::a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[fd00:ec2::254]/",
        "http://[fd20:ce::254%25eth0]/",
        "http://[fe80::a9fe:a9fe]/",
        "http://169.254.169.254.nip.io/",
        "http://app-169-254-169-254.sslip.io/",
        "http://a9fea9fe.nip.io/",
        "http://fd00-ec2--254.sslip.io/",
        "http://user:pw@169.254.169.254/",
        "http://good.example@169.254.169.254/",
        "http://good.example:80@169.254.169.254:80/",
        "http://good.example\\@169.254.169.254/",
        "http://good.example#@169.254.169.254/",
        "http:\\\\169.254.169.254\\latest",
        "http:/169.254.169.254",
        "http:169.254.169.254",
        "http:////169.254.169.254",
        "//169.254.169.254/latest",
        "\\\\169.254.169.254\\share",
        "gopher://169.254.170.2/",
        "redis://100.100.100.200:6379",
        "169.254.169.254",
        " 169.254.169.254:80/latest ",
        "2852039166",
        "0xa9fea9fe",
        "curl 169.254.169.254/latest/meta-data",
        "proxy to host:169.254.169.254:80, please",
        "fetch(169.254.169.254)",
        "the address is 169.254.169.254.",
        "route to [fd00:ec2::254]",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://METADATA.google.internal./",
        "metadata.goog",
        "ask metadata.google.internal for it",
        "http://metadata/computeMetadata",
        "http://instance-data/latest",
        "http://168.63.129.16/machine",
        "http://192.0.0.192/latest",
        "http://１６９.２５４.１６９.２５４/",
        "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
        "http://169。254。169。254/",
        "http://169\u{200b}.254.169.254/",
        "访问169.254.169.254",
        "see https://good.example/?next=http://169.254.169.254/",
        "jar:http://169.254.169.254!/",
    ] {
        assert!(risks(text).contains(&HostRisk::Metadata), "{text}: {:?}", find(text));
        let folded = crate::scan::fold::fold(text);
        let folded = std::str::from_utf8(folded.bytes()).unwrap();
        assert!(risks(folded).contains(&HostRisk::Metadata), "{folded}");
        assert!(is_announced(folded), "{folded}");
    }
}

#[test]
fn classes_are_told_apart() {
    for (text, risk) in [
        ("http://localhost:3000/", HostRisk::Loopback),
        ("localhost", HostRisk::Loopback),
        ("localhost:8080/admin", HostRisk::Loopback),
        ("http://127.1/", HostRisk::Loopback),
        ("http://0/", HostRisk::Loopback),
        ("http://017700000001/", HostRisk::Loopback),
        ("http://[::1]:80", HostRisk::Loopback),
        ("::1", HostRisk::Loopback),
        ("http://[::]/", HostRisk::Loopback),
        ("http://a.localtest.me", HostRisk::Loopback),
        ("http://127-0-0-1.nip.io/", HostRisk::Loopback),
        ("http://good.example\\@127.0.0.1/", HostRisk::Loopback),
        ("http://a)b@127.0.0.1/", HostRisk::Loopback),
        ("0x7f.0.0.1", HostRisk::Loopback),
        ("http://169.254.1.1/", HostRisk::LinkLocal),
        ("http://[fe80::1]/", HostRisk::LinkLocal),
        ("http://10.0.0.1/", HostRisk::Private),
        ("10.0.0.1", HostRisk::Private),
        ("10.0.0.1:8443", HostRisk::Private),
        ("http://172.16.5.4", HostRisk::Private),
        ("http://100.64.0.1", HostRisk::Private),
        ("http://[fd12:3456::1]/", HostRisk::Private),
        ("http://db/", HostRisk::Private),
        ("postgres://user:pw@db.prod.svc.cluster.local:5432/x", HostRisk::Private),
        ("vault.internal", HostRisk::Private),
        ("(see http://printer.local)", HostRisk::Private),
        ("file:///etc/passwd", HostRisk::DangerousScheme),
        ("FILE:/etc/passwd", HostRisk::DangerousScheme),
        ("view-source:file:///etc/passwd", HostRisk::DangerousScheme),
        ("git+file:///srv/repo", HostRisk::DangerousScheme),
        ("gopher://a.example:25/_x", HostRisk::DangerousScheme),
        ("php://filter/read=convert.base64-encode/resource=x", HostRisk::DangerousScheme),
        ("expect://id", HostRisk::DangerousScheme),
        ("jar:file:/a.jar!/b", HostRisk::DangerousScheme),
        ("netdoc:///etc/passwd", HostRisk::DangerousScheme),
        ("x=${jndi:ldap://a.example/b}", HostRisk::DangerousScheme),
    ] {
        assert_eq!(risks(text), [risk], "{text}");
        assert!(is_announced(text), "{text}");
    }
}

#[test]
fn plain_text_points_nowhere() {
    for text in [
        "",
        "10",
        "127.1",
        "1.2.3",
        "3.14",
        "http://",
        "://",
        "a//b",
        "// a comment",
        "//a/b",
        "12:34:56",
        "::",
        "std::vec",
        "C:\\Users\\me",
        "a: b",
        "key:value",
        "profile://x",
        "docs://readme",
        "ui://widget/a",
        "file: a",
        "the file:// scheme",
        "https://example.com/a?b=c@d.internal",
        "https://8.8.8.8/",
        "metadata",
        "the metadata of it",
        "me@example.com",
        "user@db.internal",
        "version 10.0.0.1 is out",
        "ping 192.168.1.1 twice",
        "http://example.com:80/",
        "http://[2606:4700::1111]/",
        "http://${HOST}/",
        "http://{host}/",
        "jar: of jam",
        "php: the language",
        "data.internals are",
        "https://a.example//localhost",
        "http://1.1/",
    ] {
        assert_eq!(find(text), [], "{text}");
    }
}

#[test]
fn numbers_and_versions_are_no_hosts_unless_they_are_a_metadata_service() {
    for text in ["0", "7", "10", "20251122", "999999999", "2.0", "2.0.1", "42/7"] {
        assert!(!could_be_host(text.as_bytes()), "{text}");
    }
    for text in ["2852039166", "1684301000", "192.192", "169.16689662", "0300.0.192", "168.63.33040"] {
        assert!(could_be_host(text.as_bytes()), "{text}");
        assert_eq!(risks(text), [HostRisk::Metadata], "{text}");
    }
}

#[test]
fn words_and_sentences_are_no_hosts() {
    for text in ["", "hello", "hello world", "a sentence.", "metadata", "a, b.c", "\"x.y\""] {
        assert!(!could_be_host(text.as_bytes()), "{text}");
    }
}

#[test]
fn findings_say_where() {
    let text = "a http://u:p@10.0.0.1:80/x and file:///etc/passwd, 169.254.169.254";
    let found: Vec<(&str, HostRisk)> =
        find(text).iter().map(|f| (text.get(f.start..f.end).unwrap(), f.risk)).collect();
    assert_eq!(
        found,
        [
            ("10.0.0.1", HostRisk::Private),
            ("file:///etc/passwd,", HostRisk::DangerousScheme),
            ("169.254.169.254", HostRisk::Metadata),
        ]
    );
}

#[test]
fn adversarial_texts_are_read_in_linear_time() {
    for piece in [
        "http:",
        "//",
        "file://",
        "a@",
        "http://a\\",
        "169.254.",
        "::",
        ":",
        "[",
        "http://[",
        "０",
        "http:#@",
    ] {
        let text = piece.repeat(50_000 / piece.len());
        let start = std::time::Instant::now();
        assert!(find(&text).len() <= MAX_FINDINGS);
        assert!(start.elapsed().as_secs() < 10, "{piece}: {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(http:|//|\\\\|@|:|\\[|\\]|169\\.254\\.|file|[0-9a-f.]|１|。|\\PC){0,60}") {
        for finding in find(&text) {
            let folded = crate::scan::fold::fold(&text);
            prop_assert!(is_announced(std::str::from_utf8(folded.bytes()).unwrap()), "{text}: {finding:?}");
            prop_assert!(text.get(finding.start..finding.end).is_some_and(|found| !found.is_empty()));
        }
    }

    #[test]
    fn what_is_no_host_is_none_as_a_whole(text in "(169|100|168|192|0251|0300|10|1684301000|[0-9]{1,12}|0x[0-9a-f]{1,4})([.:/][0-9]{0,9}){0,4}") {
        let found = super::find(&text, &Announced::default());
        prop_assert!(could_be_host(text.as_bytes()) || found.is_empty(), "{text}: {found:?}");
    }

    #[test]
    fn a_metadata_service_is_found_in_any_text(before in "(\\PC{0,20}[ \"'(])?", after in "([ \"')/,]\\PC{0,20})?") {
        let text = format!("{before}http://169.254.169.254{after}");
        prop_assert!(risks(&text).contains(&HostRisk::Metadata), "{text}");
    }
}
