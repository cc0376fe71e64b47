//! What was seen against what was expected. Differences never show a body or a header's value: those may hold secrets.

use std::collections::BTreeSet;

use super::{Observed, Record};
use crate::cases::{Case, Expect};

/// What differs from what the case expects, a sentence each; empty if the case passes.
pub fn differences(case: &Case, observed: &Observed) -> Vec<String> {
    let Some(expect) = &case.expect else { return Vec::new() };
    let mut judge = Judge { wrong: Vec::new() };
    judge.record(expect, observed);
    judge.body("forwarded", &expect.forwarded, &observed.forwarded);
    // `returned: null` forbids the upstream's answer, not the gate's own reply.
    let reply = expect.returned == Some(None) && replied(&observed.record);
    judge.body("returned", &expect.returned, if reply { &None } else { &observed.returned });
    judge.headers("headers", &expect.headers, observed.headers.as_deref());
    judge.headers("trailers", &expect.trailers, Some(&observed.trailers));
    judge.findings(expect, &observed.record);
    judge.wrong
}

/// Whether the gate answered the client itself.
pub(super) fn replied(record: &Record) -> bool {
    matches!(record.verdict.as_str(), "deny" | "hold")
}

struct Judge {
    wrong: Vec<String>,
}

impl Judge {
    fn record(&mut self, expect: &Expect, observed: &Observed) {
        let record = &observed.record;
        if let Some(verdict) = &expect.verdict
            && *verdict != record.verdict
        {
            self.differ("verdict", verdict, &record.verdict);
        }
        if let Some(reason) = &expect.reason
            && !reason_fits(reason, &record.reason)
        {
            self.differ("reason", reason, &record.reason);
        }
        if let Some(status) = expect.status
            && status != observed.status
        {
            self.differ("status", &status.to_string(), &observed.status.to_string());
        }
        if let Some(status) = record.status
            && status != observed.status
        {
            let seen = observed.status;
            self.wrong.push(format!("status: the gate recorded {status} and the client saw {seen}"));
        }
    }

    fn body(&mut self, name: &str, expected: &Option<Option<Vec<u8>>>, got: &Option<Vec<u8>>) {
        match (expected, got) {
            (None, _) | (Some(None), None) => {}
            (Some(None), Some(got)) => {
                self.wrong.push(format!("{name}: expected nothing, got a body of {} bytes", got.len()));
            }
            (Some(Some(expected)), None) => {
                self.wrong.push(format!("{name}: expected {} bytes, and nothing went on", expected.len()));
            }
            (Some(Some(expected)), Some(got)) if expected != got => {
                let same = expected.iter().zip(got).take_while(|(a, b)| a == b).count();
                let (expected, got) = (expected.len(), got.len());
                self.wrong.push(format!(
                    "{name}: expected {expected} bytes, got {got}; they differ from byte {same} on"
                ));
            }
            (Some(Some(_)), Some(_)) => {}
        }
    }

    fn headers(
        &mut self,
        what: &str,
        expected: &[(String, Option<Vec<u8>>)],
        observed: Option<&[(String, Vec<u8>)]>,
    ) {
        if expected.is_empty() {
            return;
        }
        let Some(headers) = observed else {
            self.wrong.push(format!("{what}: expected some, and nothing went on"));
            return;
        };
        for (name, expected) in expected {
            let of_name: Vec<_> = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).collect();
            match expected {
                None if !of_name.is_empty() => {
                    self.wrong
                        .push(format!("{what}: `{name}` went on {} times, expected none", of_name.len()));
                }
                Some(expected) if !of_name.iter().any(|(_, value)| value == expected) => {
                    let (bytes, times) = (expected.len(), of_name.len());
                    let got = match times {
                        0 => "it did not go on".to_owned(),
                        _ => format!("got {times} of that name, none equal"),
                    };
                    self.wrong
                        .push(format!("{what}: `{name}` expected with a value of {bytes} bytes, {got}"));
                }
                _ => {}
            }
        }
    }

    fn findings(&mut self, expect: &Expect, record: &Record) {
        let Some(expected) = &expect.findings else { return };
        let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
        let got: BTreeSet<&str> = record.findings.iter().map(|finding| finding.detector.as_str()).collect();
        if expected != got {
            let list = |set: &BTreeSet<&str>| set.iter().copied().collect::<Vec<_>>().join(", ");
            self.differ("findings", &format!("[{}]", list(&expected)), &format!("[{}]", list(&got)));
        }
    }

    fn differ(&mut self, what: &str, expected: &str, got: &str) {
        self.wrong.push(format!("{what}: expected {expected}, got {got}"));
    }
}

fn reason_fits(expected: &str, got: &str) -> bool {
    match expected.strip_suffix(".*") {
        Some(family) => got.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')),
        None => expected == got,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Message, Request, Response};
    use crate::decide::Finding;

    fn case(expect: Expect) -> Case {
        let request = Request {
            peers: None,
            method: "GET".into(),
            authority: "a".into(),
            path: "/".into(),
            headers: Vec::new(),
            message: Message::default(),
        };
        let (name, place) = ("n".into(), "f:1".into());
        Case {
            name,
            place,
            at: None,
            repeat: 1,
            request,
            response: Response::default(),
            expect: Some(expect),
        }
    }

    fn observed() -> Observed {
        let finding = |detector: &str| Finding {
            detector: detector.into(),
            r#where: "request.body".into(),
            offset: 1,
            length: 2,
            action: "alert".into(),
        };
        Observed {
            record: Record {
                verdict: "allow".into(),
                reason: "allowed".into(),
                status: Some(200),
                findings: vec![finding("b"), finding("a"), finding("b")],
                ..Record::default()
            },
            forwarded: Some(b"secret-1".to_vec()),
            headers: Some(vec![("x-a".into(), b"1".to_vec()), ("x-a".into(), b"2".to_vec())]),
            returned: Some(b"{}".to_vec()),
            trailers: vec![("x-sum".into(), b"1".to_vec())],
            status: 200,
        }
    }

    fn wrong(expect: Expect) -> Vec<String> {
        differences(&case(expect), &observed())
    }

    #[test]
    fn what_is_not_expected_is_not_compared() {
        assert_eq!(wrong(Expect::default()), Vec::<String>::new());
    }

    #[test]
    fn bodies_are_compared_byte_by_byte_and_never_shown() {
        let wrong = wrong(Expect { forwarded: Some(Some(b"secret-2".to_vec())), ..Expect::default() });
        assert_eq!(wrong, ["forwarded: expected 8 bytes, got 8; they differ from byte 7 on"]);
        let nothing = Expect { forwarded: Some(None), returned: Some(None), ..Expect::default() };
        assert_eq!(super::differences(&case(nothing), &observed()).len(), 2);
    }

    #[test]
    fn a_reply_of_the_gate_is_not_the_upstreams_answer() {
        let mut observed = observed();
        observed.record.verdict = "deny".into();
        let nothing = case(Expect { returned: Some(None), ..Expect::default() });
        assert_eq!(differences(&nothing, &observed), Vec::<String>::new());
        let reply = case(Expect { returned: Some(Some(b"{}".to_vec())), ..Expect::default() });
        assert_eq!(differences(&reply, &observed), Vec::<String>::new());
    }

    #[test]
    fn headers_are_there_or_not_whatever_their_order() {
        let pair = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
        let headers = vec![pair("X-A", Some(b"2")), pair("x-b", None)];
        assert_eq!(wrong(Expect { headers, ..Expect::default() }), Vec::<String>::new());
        let headers = vec![pair("x-a", Some(b"3")), pair("x-a", None), pair("x-c", Some(b""))];
        assert_eq!(wrong(Expect { headers, ..Expect::default() }).len(), 3);
        let trailers = vec![pair("X-Sum", Some(b"1")), pair("x-a", None)];
        assert_eq!(wrong(Expect { trailers, ..Expect::default() }), Vec::<String>::new());
        let trailers = vec![pair("x-sum", Some(b"2"))];
        assert_eq!(wrong(Expect { trailers, ..Expect::default() }).len(), 1);
    }

    #[test]
    fn findings_are_a_set() {
        let findings = |ids: &[&str]| Some(ids.iter().map(|&id| id.to_owned()).collect());
        assert_eq!(
            wrong(Expect { findings: findings(&["a", "b"]), ..Expect::default() }),
            Vec::<String>::new()
        );
        let wrong = wrong(Expect { findings: findings(&["a"]), ..Expect::default() });
        assert_eq!(wrong, ["findings: expected [a], got [a, b]"]);
    }

    #[test]
    fn a_family_of_reasons_is_not_a_prefix() {
        assert!(reason_fits("scope.*", "scope.tool") && reason_fits("scope.tool", "scope.tool"));
        assert!(
            !reason_fits("scope.*", "scoped.x")
                && !reason_fits("scope.*", "scope")
                && !reason_fits("s.*", "scope.x")
        );
    }

    #[test]
    fn a_record_that_contradicts_the_wire_fails() {
        let mut observed = observed();
        observed.status = 403;
        let wrong = differences(&case(Expect::default()), &observed);
        assert_eq!(wrong, ["status: the gate recorded 200 and the client saw 403"]);
    }
}
