//! The only host calls (Proxy-Wasm ABI 0.2.1).
//!
//! An SDK's wrappers panic on a status that they do not expect and on header names that are not UTF-8, so the calls are made
//! here directly: bytes in, bytes out, every failure a value.
#![expect(unsafe_code, reason = "imports from the host are unsafe to call")]

use sallyport_engine::Reply;

/// Why the host did not do what it was asked: its status code (proxy-wasm `proxy_status_t`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HostError(u32);

impl HostError {
    /// The host did hand something over, but not what the ABI promises: `BadArgument`'s number, 2.
    pub(crate) const MALFORMED: Self = Self(2);
    /// There is nothing of that name.
    pub(crate) const NOT_FOUND: Self = Self(1);
    /// Someone else wrote in between.
    pub(crate) const CAS_MISMATCH: Self = Self(8);
}

/// A header map (proxy-wasm `proxy_header_map_type_t`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CallResponseHeaders = 6,
}

/// A buffer (proxy-wasm `proxy_buffer_type_t`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

/// A log level (proxy-wasm `proxy_log_level_t`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    Debug = 1,
    Info = 2,
    Warn = 3,
    Critical = 5,
}

/// A metric's type (proxy-wasm `proxy_metric_type_t`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// A metric that was defined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricId(u32);

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        length: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, length: usize, data: *const u8, size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_define_metric(metric_type: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// Headers as the host handed them over.
pub(crate) struct HeaderPairs(Vec<u8>);

impl HeaderPairs {
    /// The pairs; `None` if the host's encoding is not what the ABI says: a count, the lengths, then the bytes with a NUL behind
    /// each name and value.
    pub(crate) fn parse(&self) -> Option<Vec<(&[u8], &[u8])>> {
        if self.0.is_empty() {
            return Some(Vec::new());
        }
        let (count, rest) = take_u32(&self.0)?;
        let (mut lengths, mut bytes) = rest.split_at_checked(count.checked_mul(8)?)?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let (name_length, value_length);
            (name_length, lengths) = take_u32(lengths)?;
            (value_length, lengths) = take_u32(lengths)?;
            let (name, value);
            (name, bytes) = take_terminated(bytes, name_length)?;
            (value, bytes) = take_terminated(bytes, value_length)?;
            pairs.push((name, value));
        }
        Some(pairs)
    }
}

fn take_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*word)).ok()?, rest))
}

fn take_terminated(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((text, rest.get(1..)?))
}

/// Every header of a map.
pub(crate) fn header_pairs(map: Map) -> Result<HeaderPairs, HostError> {
    // SAFETY: the host writes the address and size of memory that it allocated through this module's allocator.
    received(|data, size| unsafe { proxy_get_header_map_pairs(map.code(), data, size) }).map(HeaderPairs)
}

/// The value of one header.
pub(crate) fn header(map: Map, name: &str) -> Result<Vec<u8>, HostError> {
    // SAFETY: as above; the name outlives the call.
    received(|data, size| unsafe {
        proxy_get_header_map_value(map.code(), name.as_ptr(), name.len(), data, size)
    })
}

/// Puts a header in, beside any of its name.
pub(crate) fn add_header(map: Map, name: &str, value: &str) -> Result<(), HostError> {
    // SAFETY: the host reads both within the call.
    done(unsafe {
        proxy_add_header_map_value(map.code(), name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Takes every header of a name out.
pub(crate) fn remove_header(map: Map, name: &str) -> Result<(), HostError> {
    // SAFETY: the host reads the name within the call.
    done(unsafe { proxy_remove_header_map_value(map.code(), name.as_ptr(), name.len()) })
}

/// The time, in nanoseconds since 1970.
pub(crate) fn unix_nanos() -> Result<u64, HostError> {
    let mut time = 0;
    // SAFETY: the host writes one number.
    done(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// The time, in milliseconds since 1970.
pub(crate) fn unix_millis() -> Result<u64, HostError> {
    Ok(unix_nanos()? / 1_000_000)
}

/// The time, in seconds since 1970.
pub(crate) fn unix_seconds() -> Result<u64, HostError> {
    Ok(unix_nanos()? / 1_000_000_000)
}

/// Asks for a call of `proxy_on_tick` with every period, in milliseconds.
pub(crate) fn set_tick_period(period: u32) -> Result<(), HostError> {
    // SAFETY: a plain number.
    done(unsafe { proxy_set_tick_period_milliseconds(period) })
}

/// Sends a request to a cluster. What comes of it, within `timeout` milliseconds, comes with the number returned to
/// `proxy_on_http_call_response`.
pub(crate) fn call(
    cluster: &str,
    headers: &[(&str, &[u8])],
    body: &[u8],
    timeout: u32,
) -> Result<u32, HostError> {
    let headers = encode_pairs(headers);
    let nothing: &[u8] = &[];
    let mut token = 0;
    // SAFETY: the host reads all of them and writes one number within the call.
    done(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            nothing.as_ptr(),
            0,
            timeout,
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// What all workers share under a key, and its version.
pub(crate) fn shared(key: &str) -> Result<(Vec<u8>, u32), HostError> {
    let mut version = 0;
    // SAFETY: as for `header_pairs`; the host writes one number as well.
    let value = received(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version)
    })?;
    Ok((value, version))
}

/// Sets what all workers share under a key, if its version is still this one or nothing is there; whatever its version if that is 0.
pub(crate) fn set_shared(key: &str, value: &[u8], version: u32) -> Result<(), HostError> {
    // SAFETY: the host reads both within the call.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) })
}

/// The first `length` bytes of a buffer; shorter where the buffer is.
pub(crate) fn buffer(buffer: Buffer, length: usize) -> Result<Vec<u8>, HostError> {
    if length == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: as for `header_pairs`.
    received(|data, size| unsafe { proxy_get_buffer_bytes(buffer.code(), 0, length, data, size) })
}

/// Puts `bytes` in the place of the first `length` bytes of a buffer.
pub(crate) fn replace_buffer(buffer: Buffer, length: usize, bytes: &[u8]) -> Result<(), HostError> {
    // SAFETY: the host reads the bytes within the call.
    done(unsafe { proxy_set_buffer_bytes(buffer.code(), 0, length, bytes.as_ptr(), bytes.len()) })
}

/// A property by its path, the parts separated by NUL.
pub(crate) fn property(path: &str) -> Result<Vec<u8>, HostError> {
    // SAFETY: as for `header_pairs`; the path outlives the call.
    received(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property, which is filter state `wasm.<path>` in Envoy.
pub(crate) fn set_property(path: &str, value: &str) -> Result<(), HostError> {
    // SAFETY: the host reads both within the call.
    done(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// Answers the request in the upstream's stead. `details` becomes Envoy's `%RESPONSE_CODE_DETAILS%`. A caller of gRPC gets the
/// body as its message, with the status that the reply names.
pub(crate) fn respond(reply: &Reply, details: &str) -> Result<(), HostError> {
    let (status, body) = (reply.status, reply.body.as_str());
    let headers = if reply.grpc_status.is_some() {
        Vec::new()
    } else {
        encode_pairs(&[("content-type", reply.content_type.as_bytes())])
    };
    let no_grpc_status = -1;
    let grpc_status = reply.grpc_status.map_or(no_grpc_status, i32::from);
    // SAFETY: the host reads all of them within the call.
    done(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// Writes a line to the proxy's log. A log that fails has nobody to tell.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: the host reads the message within the call.
    let _ = unsafe { proxy_log(level.code(), message.as_ptr(), message.len()) };
}

/// Defines a metric, or finds the one of this name.
pub(crate) fn define_metric(metric_type: MetricType, name: &str) -> Result<MetricId, HostError> {
    let mut id = 0;
    // SAFETY: the host reads the name and writes the id within the call.
    done(unsafe { proxy_define_metric(metric_type.code(), name.as_ptr(), name.len(), &mut id) })?;
    Ok(MetricId(id))
}

/// Adds one to a counter.
pub(crate) fn increment(metric: MetricId) -> Result<(), HostError> {
    // SAFETY: plain numbers.
    done(unsafe { proxy_increment_metric(metric.0, 1) })
}

/// Sets a gauge, or adds a value to a histogram.
pub(crate) fn record(metric: MetricId, value: u64) -> Result<(), HostError> {
    // SAFETY: plain numbers.
    done(unsafe { proxy_record_metric(metric.0, value) })
}

/// Headers in the ABI's encoding, which `HeaderPairs::parse` reads.
fn encode_pairs(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap_or(0).to_le_bytes();
    let mut bytes = length(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend_from_slice(&length(name.len()));
        bytes.extend_from_slice(&length(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    bytes
}

fn done(status: u32) -> Result<(), HostError> {
    if status == 0 { Ok(()) } else { Err(HostError(status)) }
}

/// Makes a call that hands memory over, and takes it.
fn received(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, HostError> {
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    done(call(&mut data, &mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host got this memory from `proxy_on_memory_allocate`, which makes a boxed slice of exactly `size` bytes, has
    // written all of it, and gives it away.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// The ABI's number of an enumeration's value.
macro_rules! codes {
    ($($name:ident),*) => {$(
        impl $name {
            #[expect(clippy::as_conversions, reason = "the discriminant is the ABI's number")]
            fn code(self) -> u32 {
                self as u32
            }
        }
    )*};
}
codes!(Map, Buffer, Level, MetricType);

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "host status {}", self.0)
    }
}
