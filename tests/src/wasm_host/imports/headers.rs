//! Header maps and trailers.

use crate::wasm_host::abi::{Answer, MapType, Status, read_pairs, word, write_pairs};
use crate::wasm_host::header_map::HeaderMap;
use crate::wasm_host::memory::Guest;

/// All pairs; a map that is not there is merely empty.
pub(super) fn pairs(guest: &mut Guest<'_>, map: u32, at: u32, size: u32) -> Answer {
    let map = MapType::try_from(map)?;
    let there = guest.host().stream().and_then(|stream| stream.readable(map)).filter(|map| !map.is_empty());
    let bytes = there.map_or(Ok(Vec::new()), |map| write_pairs(map.iter()))?;
    guest.give(&bytes, at, size)
}

pub(super) fn set_pairs(guest: &mut Guest<'_>, map: u32, at: u32, size: u32) -> Answer {
    let map = MapType::try_from(map)?;
    let bytes = guest.read(at, size)?;
    let there = writable(guest, map)?;
    there.clear();
    for (name, value) in read_pairs(&bytes)? {
        there.add(name, value);
    }
    Ok(())
}

/// The first value of a name.
pub(super) fn value(guest: &mut Guest<'_>, map: u32, key: u32, length: u32, at: u32, size: u32) -> Answer {
    let map = MapType::try_from(map)?;
    let name = guest.read(key, length)?;
    let stream = guest.host().stream().ok_or(Status::BadArgument)?;
    let there = stream.readable(map).ok_or(stream.unreadable())?;
    let value = there.get(name).ok_or(Status::NotFound)?.to_vec();
    guest.give(&value, at, size)
}

pub(super) fn add(guest: &mut Guest<'_>, map: u32, key: u32, length: u32, value: u32, size: u32) -> Answer {
    let map = MapType::try_from(map)?;
    let (name, value) = (guest.read(key, length)?, guest.read(value, size)?);
    writable(guest, map)?.add(name, value);
    Ok(())
}

pub(super) fn replace(
    guest: &mut Guest<'_>,
    map: u32,
    key: u32,
    length: u32,
    value: u32,
    size: u32,
) -> Answer {
    let map = MapType::try_from(map)?;
    let (name, value) = (guest.read(key, length)?, guest.read(value, size)?);
    writable(guest, map)?.replace(name, value);
    Ok(())
}

pub(super) fn remove(guest: &mut Guest<'_>, map: u32, key: u32, length: u32) -> Answer {
    let map = MapType::try_from(map)?;
    let name = guest.read(key, length)?;
    writable(guest, map)?.remove(name);
    Ok(())
}

pub(super) fn size(guest: &mut Guest<'_>, map: u32, out: u32) -> Answer {
    let map = MapType::try_from(map)?;
    let size = word(writable(guest, map)?.byte_size())?;
    guest.write_u32(out, size)
}

fn writable<'g>(guest: &'g mut Guest<'_>, map: MapType) -> Answer<&'g mut HeaderMap> {
    guest.host().stream_mut().ok_or(Status::BadArgument)?.writable(map)
}
