//! The numbers and byte layouts of Proxy-Wasm ABI 0.2.1.

/// What a host call answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    Unimplemented = 12,
}

/// Why a host call did not do what it was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The guest is told.
    Status(Status),
    /// The guest trapped in a call that the host made on its behalf: the whole VM is lost.
    Trap(wasmtime::Error),
}

/// The outcome of a host call.
pub(super) type Answer<T = ()> = Result<T, Fault>;

/// A header map, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapType {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    /// gRPC metadata and the answers to callouts: valid numbers, but never there in this host.
    Elsewhere,
}

/// A buffer, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BufferType {
    RequestBody,
    ResponseBody,
    VmConfiguration,
    PluginConfiguration,
    /// Network data, gRPC messages and call data: Envoy answers with an empty buffer outside their callbacks.
    Empty,
    /// The answer to a callout: not there outside its callback.
    CalloutBody,
}

/// What a callback asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Continue,
    Pause,
}

// === impl Status ===

impl Status {
    pub(super) fn code(self) -> u32 {
        self as u32
    }
}

// === impl Fault ===

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

/// The number that the guest gets for `answer`, or the trap that ends it.
pub(super) fn finish(answer: Answer) -> wasmtime::Result<u32> {
    match answer {
        Ok(()) => Ok(Status::Ok.code()),
        Err(Fault::Status(status)) => Ok(status.code()),
        Err(Fault::Trap(error)) => Err(error),
    }
}

// === impl MapType, BufferType, Action ===

impl TryFrom<u32> for MapType {
    type Error = Fault;

    fn try_from(number: u32) -> Result<Self, Fault> {
        match number {
            0 => Ok(Self::RequestHeaders),
            1 => Ok(Self::RequestTrailers),
            2 => Ok(Self::ResponseHeaders),
            3 => Ok(Self::ResponseTrailers),
            4..=7 => Ok(Self::Elsewhere),
            _ => Err(Status::BadArgument.into()),
        }
    }
}

impl TryFrom<u32> for BufferType {
    type Error = Fault;

    fn try_from(number: u32) -> Result<Self, Fault> {
        match number {
            0 => Ok(Self::RequestBody),
            1 => Ok(Self::ResponseBody),
            2 | 3 | 5 | 8 => Ok(Self::Empty),
            4 => Ok(Self::CalloutBody),
            6 => Ok(Self::VmConfiguration),
            7 => Ok(Self::PluginConfiguration),
            _ => Err(Status::BadArgument.into()),
        }
    }
}

impl Action {
    /// `None` for numbers that Envoy's C++ host knows and no SDK uses.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Continue),
            1 => Some(Self::Pause),
            _ => None,
        }
    }
}

// === pairs ===

/// A length or an address as the guest counts them.
pub(super) fn word(size: usize) -> Answer<u32> {
    u32::try_from(size).map_err(|_| Status::InvalidMemoryAccess.into())
}

/// Count, then the lengths of every key and value, then keys and values, each ended by a zero byte.
pub(super) fn write_pairs<'p>(
    pairs: impl ExactSizeIterator<Item = (&'p [u8], &'p [u8])> + Clone,
) -> Answer<Vec<u8>> {
    let mut bytes = word(pairs.len())?.to_le_bytes().to_vec();
    for (key, value) in pairs.clone() {
        bytes.extend_from_slice(&word(key.len())?.to_le_bytes());
        bytes.extend_from_slice(&word(value.len())?.to_le_bytes());
    }
    for (key, value) in pairs {
        bytes.extend_from_slice(key);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    Ok(bytes)
}

/// The reverse. Nothing at all stands for no pairs; bytes that are not pairs are a bad argument.
pub(super) fn read_pairs(bytes: &[u8]) -> Answer<Vec<(Vec<u8>, Vec<u8>)>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader(bytes);
    let count = reader.length()?;
    let mut lengths = Vec::new();
    for _ in 0..count {
        lengths.push((reader.length()?, reader.length()?));
    }
    lengths.into_iter().map(|(key, value)| Ok((reader.text(key)?, reader.text(value)?))).collect()
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn length(&mut self) -> Answer<usize> {
        let (word, rest) = self.0.split_first_chunk::<4>().ok_or(Status::BadArgument)?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*word)).map_err(|_| Status::BadArgument.into())
    }

    fn text(&mut self, length: usize) -> Answer<Vec<u8>> {
        let (text, rest) = self.0.split_at_checked(length).ok_or(Status::BadArgument)?;
        self.0 = rest.split_first().ok_or(Status::BadArgument)?.1;
        Ok(text.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_the_crossing() {
        let pairs: [(&[u8], &[u8]); 2] = [(b":path", b"/"), (b"x", b"\xff")];
        let bytes = write_pairs(pairs.into_iter()).unwrap();
        assert_eq!(bytes.len(), 4 + 2 * 8 + (5 + 1 + 1 + 1) + (1 + 1 + 1 + 1));
        let read = read_pairs(&bytes).unwrap();
        assert_eq!(read, [(b":path".to_vec(), b"/".to_vec()), (b"x".to_vec(), b"\xff".to_vec())]);
    }

    #[test]
    fn bytes_that_are_not_pairs_are_refused() {
        assert!(read_pairs(&[]).unwrap().is_empty());
        for bytes in
            [&[1, 0][..], &[1, 0, 0, 0], &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'k'], &[255, 255, 255, 255]]
        {
            assert!(read_pairs(bytes).is_err(), "{bytes:?}");
        }
    }
}
