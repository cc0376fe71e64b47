//! Bodies and configurations.

use crate::wasm_host::abi::{Answer, BufferType, Status, word};
use crate::wasm_host::host::Host;
use crate::wasm_host::memory::Guest;

/// At most `most` bytes from `start` on. Where there are none, the guest's pointers stay as they were.
pub(super) fn bytes(guest: &mut Guest<'_>, buffer: u32, start: u32, most: u32, at: u32, size: u32) -> Answer {
    let buffer = BufferType::try_from(buffer)?;
    let there = contents(guest.host(), buffer)?;
    let from = there.get(start as usize..).unwrap_or_default();
    let wanted = from.get(..from.len().min(most as usize)).unwrap_or_default().to_vec();
    if wanted.is_empty() { Ok(()) } else { guest.give(&wanted, at, size) }
}

pub(super) fn status(guest: &mut Guest<'_>, buffer: u32, length: u32, flags: u32) -> Answer {
    let buffer = BufferType::try_from(buffer)?;
    let there = word(contents(guest.host(), buffer)?.len())?;
    guest.write_u32(length, there)?;
    guest.write_u32(flags, 0)
}

pub(super) fn replace(
    guest: &mut Guest<'_>,
    buffer: u32,
    start: u32,
    length: u32,
    data: u32,
    size: u32,
) -> Answer {
    let buffer = BufferType::try_from(buffer)?;
    contents(guest.host(), buffer)?;
    let data = guest.read(data, size)?;
    let body = guest.host().stream_mut().and_then(|stream| stream.body_mut(buffer));
    body.ok_or(Status::BadArgument)?.replace(start as usize, length as usize, &data)
}

/// What is in a buffer. Bodies are empty outside their phase; Envoy does not say so, and neither does this.
fn contents(host: &Host, buffer: BufferType) -> Answer<&[u8]> {
    match buffer {
        BufferType::PluginConfiguration if host.plugin.configuring => Ok(&host.plugin.configuration),
        BufferType::PluginConfiguration | BufferType::CalloutBody => Err(Status::NotFound.into()),
        // WasmPlugin has no VM configuration to give.
        BufferType::VmConfiguration | BufferType::Empty => Ok(&[]),
        BufferType::RequestBody | BufferType::ResponseBody => {
            Ok(host.stream().and_then(|stream| stream.body(buffer)).map_or(&[], |body| body.seen()))
        }
    }
}
