//! Cases in the playground's terms, and what the upstream saw in those of a case.

use std::error::Error;

use policy_compiler::cases::{self, Message};
use sallyport_playground::client::Protocol;
use sallyport_playground::upstream::{Answer, Seen};
use sallyport_playground::{Body, Framing, Headers, Request, Response};

/// Headers that Envoy or the framing add on the way to the upstream; they are reported only if the case sent them.
const ADDED_BY_ENVOY: [&str; 5] =
    ["connection", "content-length", "transfer-encoding", "x-forwarded-proto", "x-request-id"];

/// The prefix of Envoy's own headers.
const ENVOYS: &str = "x-envoy-";

/// The request as it goes on the wire, and over which protocol: gRPC and requests with trailers over HTTP/2, others over HTTP/1.1.
pub(super) fn request(case: &cases::Request) -> Result<(Request, Protocol), Box<dyn Error>> {
    let message = &case.message;
    let is_grpc = |(name, value): &cases::Header| {
        name.eq_ignore_ascii_case("content-type") && value.starts_with(b"application/grpc")
    };
    let http2 = !message.trailers.is_empty() || case.headers.iter().any(is_grpc);
    let protocol = if http2 { Protocol::Http2 } else { Protocol::Http1 };
    let mut request = Request::new(&case.method, &case.authority, &case.path);
    let (headers, framing) = framed(case)?;
    request.headers = headers;
    request.body = message.body.is_some().then(|| Body { pieces: pieces(message), framing });
    request.trailers = message.trailers.iter().map(|(name, value)| (name, value)).collect();
    Ok((request, protocol))
}

/// The headers without those that the framing writes, and the framing.
fn framed(case: &cases::Request) -> Result<(Headers, Framing), Box<dyn Error>> {
    let all = || case.headers.iter().map(|(name, value)| (name, value));
    let of_name =
        |wanted: &str| all().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).collect::<Vec<_>>();
    let cut = !case.message.cuts.is_empty();
    match (of_name("transfer-encoding").as_slice(), of_name("content-length").as_slice()) {
        ([], []) => Ok((all().collect(), if cut { Framing::Chunked } else { Framing::Length })),
        // The case says how long the body is; if that is wrong, Envoy is to find out.
        ([], _) => Ok((all().collect(), Framing::Verbatim)),
        ([(_, value)], []) if value.eq_ignore_ascii_case(b"chunked") && case.message.body.is_some() => {
            let others = all().filter(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
            Ok((others.collect(), Framing::Chunked))
        }
        _ => Err(
            "this `transfer-encoding` cannot be put on the wire: it is for the connection, not the request"
                .into(),
        ),
    }
}

/// What the upstream is to answer.
pub(super) fn answer(response: &cases::Response) -> Answer {
    let scripted = Response {
        status: response.status,
        headers: response.headers.iter().map(|(name, value)| (name, value)).collect(),
        body: response.message.body.clone().unwrap_or_default(),
        trailers: response.message.trailers.iter().map(|(name, value)| (name, value)).collect(),
    };
    Answer::Scripted(Box::new(scripted), response.message.cuts.clone())
}

/// The request's head as the upstream received it, without what Envoy itself adds.
pub(super) fn headers(seen: &Seen, case: &cases::Request) -> Vec<cases::Header> {
    let authority = seen.authority.clone().unwrap_or_default();
    let pseudo = [(":method", &seen.method), (":path", &seen.target), (":authority", &authority)];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.clone().into_bytes()));
    let sent = |name: &str| case.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let envoys = |name: &str| ADDED_BY_ENVOY.contains(&name) || name.starts_with(ENVOYS);
    let others =
        seen.headers.iter().map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()));
    // HTTP/1.1's `host` is the authority, which stands above.
    let others = others.filter(|(name, _)| name != "host" && (sent(name) || !envoys(name)));
    pseudo.chain(others).collect()
}

/// Fields as cases have them.
pub(super) fn pairs(fields: &Headers) -> Vec<cases::Header> {
    let pair =
        |(name, value): (&[u8], &[u8])| (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec());
    fields.iter().map(pair).collect()
}

fn pieces(message: &Message) -> Vec<Vec<u8>> {
    message.chunks().into_iter().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(headers: &[(&str, &str)], body: Option<&str>, cuts: &[usize]) -> cases::Request {
        cases::Request {
            peers: None,
            method: "POST".to_owned(),
            authority: "h".to_owned(),
            path: "/".to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            message: Message {
                body: body.map(|text| text.as_bytes().to_vec()),
                cuts: cuts.to_vec(),
                trailers: Vec::new(),
            },
        }
    }

    fn framing(case: &cases::Request) -> Option<Framing> {
        request(case).unwrap().0.body.map(|body| body.framing)
    }

    #[test]
    fn the_framing_follows_from_the_case() {
        assert_eq!(framing(&case(&[], None, &[])), None);
        assert_eq!(framing(&case(&[], Some(""), &[])), Some(Framing::Length));
        assert_eq!(framing(&case(&[], Some("abc"), &[1])), Some(Framing::Chunked));
        assert_eq!(framing(&case(&[("Content-Length", "3")], Some("abc"), &[1])), Some(Framing::Verbatim));
        let chunked = case(&[("x", "1"), ("Transfer-Encoding", "chunked")], Some("abc"), &[]);
        let (sent, _) = request(&chunked).unwrap();
        assert_eq!((sent.headers.len(), framing(&chunked)), (1, Some(Framing::Chunked)));
        assert!(request(&case(&[("transfer-encoding", "gzip")], Some("abc"), &[])).is_err());
    }

    #[test]
    fn trailers_go_over_http2() {
        let mut with_trailers = case(&[], Some("{}"), &[]);
        assert_eq!(request(&with_trailers).unwrap().1, Protocol::Http1);
        with_trailers.message.trailers.push(("x-sum".to_owned(), b"1".to_vec()));
        let (sent, protocol) = request(&with_trailers).unwrap();
        assert_eq!((protocol, sent.trailers.len()), (Protocol::Http2, 1));
    }

    #[test]
    fn what_envoy_adds_is_left_out_unless_the_case_sent_it() {
        let fields = ["host", "content-length", "x-forwarded-proto", "x-envoy-a", "x-mine"];
        let seen = Seen {
            method: "GET".to_owned(),
            target: "/a?b".to_owned(),
            authority: Some("h".to_owned()),
            http2: false,
            headers: fields.iter().map(|name| (*name, "v")).collect(),
            body: Vec::new(),
            trailers: Headers::new(),
            complete: true,
        };
        let names = |sent: &[(&str, &str)]| -> Vec<String> {
            headers(&seen, &case(sent, None, &[])).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&[]), [":method", ":path", ":authority", "x-mine"]);
        let sent = names(&[("X-Envoy-A", "v"), ("Content-Length", "0")]);
        assert_eq!(sent, [":method", ":path", ":authority", "content-length", "x-envoy-a", "x-mine"]);
    }
}
