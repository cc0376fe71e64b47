//! A header map as Envoy keeps it: lower-case names, pseudo-headers first, and the duplicates of certain names joined.
//!
//! Which names are joined was read off Envoy 1.40, by sending each of them twice.

/// Names that Envoy holds once per map: a second value is appended to the first with a comma.
const JOINED: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "referer",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// Headers or trailers in order. Names are in lower case; values are bytes, because HTTP does not promise UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl HeaderMap {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value, as Envoy does: joined to the one that is there for the names that Envoy holds once.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (canonical(name.as_ref()), value.as_ref());
        let joined = JOINED.iter().any(|known| known.as_bytes() == name);
        match self.entries.iter_mut().find(|(key, _)| joined && *key == name) {
            Some((_, there)) => {
                there.push(b',');
                there.extend_from_slice(value);
            }
            None => self.insert(name, value.to_vec()),
        }
    }

    /// Takes every value of the name out and puts this one in, at the end.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = canonical(name.as_ref());
        self.entries.retain(|(key, _)| *key != name);
        self.insert(name, value.as_ref().to_vec());
    }

    /// Takes every value of the name out.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = canonical(name.as_ref());
        self.entries.retain(|(key, _)| *key != name);
    }

    /// The first value of the name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = canonical(name.as_ref());
        self.entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_slice())
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.entries.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of all names and values.
    pub(super) fn byte_size(&self) -> usize {
        self.entries.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let pseudo = name.starts_with(b":");
        let at = self.entries.iter().position(|(key, _)| pseudo && !key.starts_with(b":"));
        self.entries.insert(at.unwrap_or(self.entries.len()), (name, value));
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        pairs.into_iter().for_each(|(name, value)| map.add(name, value));
        map
    }
}

/// Lower case, and `host` is another name of `:authority`. (Envoy treats `host` so in requests only; responses have none.)
fn canonical(name: &[u8]) -> Vec<u8> {
    let name = name.to_ascii_lowercase();
    if name == b"host" { b":authority".to_vec() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(map: &HeaderMap) -> String {
        let pairs = map.iter().map(|(n, v)| format!("{}={}", n.escape_ascii(), v.escape_ascii()));
        pairs.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn duplicates_are_joined_only_where_envoy_joins_them() {
        let map = HeaderMap::from_iter([
            ("X-Dup", "p"),
            (":path", "/"),
            ("Content-Type", "a"),
            ("content-type", "b"),
            ("x-dup", "q"),
            ("cookie", "c=1"),
            ("cookie", "d=2"),
        ]);
        assert_eq!(shown(&map), ":path=/|x-dup=p|content-type=a,b|x-dup=q|cookie=c=1|cookie=d=2");
        assert_eq!(map.get("X-DUP"), Some(b"p".as_slice()));
    }

    #[test]
    fn host_is_the_authority() {
        let mut map = HeaderMap::from_iter([(":authority", "a"), (":path", "/"), ("x", "1")]);
        map.add("Host", "evil");
        assert_eq!(shown(&map), ":authority=a,evil|:path=/|x=1");
        map.replace("host", "b");
        assert_eq!(shown(&map), ":path=/|:authority=b|x=1");
        map.remove("HOST");
        assert_eq!(shown(&map), ":path=/|x=1");
    }

    #[test]
    fn a_replaced_header_moves_to_the_end() {
        let mut map = HeaderMap::from_iter([("a", "1"), ("b", "2"), ("a", "3")]);
        map.replace("A", "4");
        assert_eq!(shown(&map), "b=2|a=4");
    }
}
