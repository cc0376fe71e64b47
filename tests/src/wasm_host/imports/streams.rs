//! Properties, and what a filter can do to its exchange.

use crate::wasm_host::abi::{Answer, Status, read_pairs};
use crate::wasm_host::memory::Guest;
use crate::wasm_host::properties::{self, STATE_PREFIX};
use crate::wasm_host::reply::LocalReply;

pub(super) fn get_property(guest: &mut Guest<'_>, path: u32, length: u32, at: u32, size: u32) -> Answer {
    let path = guest.read(path, length)?;
    let host = guest.host();
    let value = properties::get(&path, &host.plugin, host.stream())?;
    guest.give(&value, at, size)
}

/// Sets filter state. The root context has no exchange to set it on.
pub(super) fn set_property(guest: &mut Guest<'_>, path: u32, length: u32, value: u32, size: u32) -> Answer {
    let (path, value) = (guest.read(path, length)?, guest.read(value, size)?);
    let stream = guest.host().stream_mut().ok_or(Status::NotFound)?;
    stream.filter_state.insert([STATE_PREFIX, &path].concat(), value);
    Ok(())
}

/// Resumes the request (0) or the response (1) after the callback.
pub(super) fn resume(guest: &mut Guest<'_>, stream: u32) -> Answer {
    with_stream(guest, stream, |stream| stream.resume())
}

/// Resets the exchange after the callback.
pub(super) fn close(guest: &mut Guest<'_>, stream: u32) -> Answer {
    with_stream(guest, stream, |stream| stream.wishes.reset = true)
}

fn with_stream(
    guest: &mut Guest<'_>,
    number: u32,
    act: impl FnOnce(&mut crate::wasm_host::stream::Stream),
) -> Answer {
    match number {
        0 | 1 => {
            if let Some(stream) = guest.host().stream_mut() {
                act(stream);
            }
            Ok(())
        }
        2 => Ok(()),
        3 => Err(Status::Unimplemented.into()),
        _ => Err(Status::BadArgument.into()),
    }
}

/// Answers in the upstream's stead after the callback. Of several replies the first counts.
#[expect(clippy::too_many_arguments, reason = "the ABI has that many")]
pub(super) fn reply(
    guest: &mut Guest<'_>,
    status: u32,
    details: u32,
    details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    grpc_status: i32,
) -> Answer {
    guest.read(details, details_size)?;
    let (body, headers) = (guest.read(body, body_size)?, guest.read(headers, headers_size)?);
    let status = u16::try_from(status).map_err(|_| Status::BadArgument)?;
    let reply = LocalReply::of_filter(status, read_pairs(&headers)?, body, grpc_status);
    if let Some(stream) = guest.host().stream_mut() {
        stream.wishes.reply.get_or_insert(reply);
    }
    Ok(())
}
