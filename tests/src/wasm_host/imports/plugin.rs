//! What concerns the whole plugin: log, time, ticks, metrics, shared data, queues, callouts.

use crate::wasm_host::abi::{Answer, Status};
use crate::wasm_host::host::{Level, LogLine};
use crate::wasm_host::memory::Guest;
use crate::wasm_host::properties;

pub(super) fn log(guest: &mut Guest<'_>, level: u32, at: u32, length: u32) -> Answer {
    let level = Level::from_number(level).ok_or(Status::BadArgument)?;
    let message = String::from_utf8_lossy(&guest.read(at, length)?).into_owned();
    guest.host().log.push(LogLine { level, message });
    Ok(())
}

/// Everything is kept, and the guest is told that info is: Envoy's default.
pub(super) fn log_level(guest: &mut Guest<'_>, out: u32) -> Answer {
    guest.write_u32(out, Level::Info as u32)
}

pub(super) fn time(guest: &mut Guest<'_>, out: u32) -> Answer {
    let now = properties::nanoseconds(guest.host().stream().and_then(|stream| stream.at));
    guest.write_u64(out, now)
}

pub(super) fn tick_period(guest: &mut Guest<'_>, period: u32) -> Answer {
    guest.host().tick_period_ms = period;
    Ok(())
}

pub(super) fn effective_context(guest: &mut Guest<'_>, id: u32) -> Answer {
    let host = guest.host();
    if id != super::super::vm::ROOT_CONTEXT && !host.streams.contains_key(&id) {
        return Err(Status::BadArgument.into());
    }
    host.current = id;
    Ok(())
}

pub(super) fn define_metric(guest: &mut Guest<'_>, kind: u32, name: u32, length: u32, out: u32) -> Answer {
    let name = guest.read(name, length)?;
    let id = guest.host().metrics.define(kind, &name)?;
    guest.write_u32(out, id)
}

pub(super) fn increment_metric(guest: &mut Guest<'_>, id: u32, offset: i64) -> Answer {
    guest.host().metrics.increment(id, offset)
}

pub(super) fn record_metric(guest: &mut Guest<'_>, id: u32, value: u64) -> Answer {
    guest.host().metrics.record(id, value)
}

pub(super) fn get_metric(guest: &mut Guest<'_>, id: u32, out: u32) -> Answer {
    let value = guest.host().metrics.get(id)?;
    guest.write_u64(out, value)
}

pub(super) fn get_shared(
    guest: &mut Guest<'_>,
    key: u32,
    length: u32,
    at: u32,
    size: u32,
    cas: u32,
) -> Answer {
    let key = guest.read(key, length)?;
    let (value, version) = guest.host().shared.get(&key)?;
    guest.give(&value, at, size)?;
    guest.write_u32(cas, version)
}

pub(super) fn set_shared(
    guest: &mut Guest<'_>,
    key: u32,
    length: u32,
    value: u32,
    size: u32,
    cas: u32,
) -> Answer {
    let (key, value) = (guest.read(key, length)?, guest.read(value, size)?);
    guest.host().shared.set(&key, value, cas)
}

pub(super) fn register_queue(guest: &mut Guest<'_>, name: u32, length: u32, out: u32) -> Answer {
    let name = guest.read(name, length)?;
    let number = guest.host().shared.register(&name)?;
    guest.write_u32(out, number)
}

/// Every VM here has the same, empty, VM id, as under Istio.
pub(super) fn resolve_queue(
    guest: &mut Guest<'_>,
    vm: u32,
    vm_length: u32,
    name: u32,
    length: u32,
    out: u32,
) -> Answer {
    let (vm, name) = (guest.read(vm, vm_length)?, guest.read(name, length)?);
    if !vm.is_empty() {
        return Err(Status::NotFound.into());
    }
    let number = guest.host().shared.resolve(&name)?;
    guest.write_u32(out, number)
}

pub(super) fn enqueue(guest: &mut Guest<'_>, queue: u32, value: u32, length: u32) -> Answer {
    let value = guest.read(value, length)?;
    guest.host().shared.enqueue(queue, value)
}

pub(super) fn dequeue(guest: &mut Guest<'_>, queue: u32, at: u32, size: u32) -> Answer {
    let value = guest.host().shared.dequeue(queue)?;
    guest.give(&value, at, size)
}

/// This host has no foreign functions, so none is found.
pub(super) fn foreign(
    guest: &mut Guest<'_>,
    name: u32,
    length: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Answer {
    guest.read(name, length)?;
    Err(Status::NotFound.into())
}

/// This host has no clusters: what Envoy answers for a cluster that it does not know.
#[expect(clippy::too_many_arguments, reason = "the ABI has that many")]
pub(super) fn http_call(
    _: &mut Guest<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Answer {
    Err(Status::BadArgument.into())
}
