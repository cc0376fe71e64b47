//! The guest's memory, checked at every access.

use wasmtime::{Caller, Memory};

use super::abi::{Answer, Status, word};
use super::host::Host;

/// A guest that is in the middle of a host call.
pub(super) struct Guest<'c>(pub(super) Caller<'c, Host>);

impl Guest<'_> {
    pub(super) fn host(&mut self) -> &mut Host {
        self.0.data_mut()
    }

    /// The bytes at an address.
    pub(super) fn read(&mut self, at: u32, length: u32) -> Answer<Vec<u8>> {
        let (start, length) = (at as usize, length as usize);
        let memory = self.memory()?;
        let end = start.checked_add(length).ok_or(Status::InvalidMemoryAccess)?;
        Ok(memory.data(&self.0).get(start..end).ok_or(Status::InvalidMemoryAccess)?.to_vec())
    }

    pub(super) fn write_u32(&mut self, at: u32, value: u32) -> Answer {
        self.write(at, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, at: u32, value: u64) -> Answer {
        self.write(at, &value.to_le_bytes())
    }

    /// Has the guest allocate room for `bytes`, puts them there, and writes address and length where it asked for them. For no
    /// bytes both are zero.
    pub(super) fn give(&mut self, bytes: &[u8], address_at: u32, length_at: u32) -> Answer {
        let length = word(bytes.len())?;
        let address = if length == 0 { 0 } else { self.allocate(length)? };
        self.write(address, bytes)?;
        self.write_u32(address_at, address)?;
        self.write_u32(length_at, length)
    }

    fn allocate(&mut self, length: u32) -> Answer<u32> {
        let allocate = self.host().allocate.clone().ok_or(Status::InvalidMemoryAccess)?;
        Ok(allocate.call(&mut self.0, length)?)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Answer {
        self.memory()?.write(&mut self.0, at as usize, bytes).map_err(|_| Status::InvalidMemoryAccess.into())
    }

    fn memory(&mut self) -> Answer<Memory> {
        self.host().memory.ok_or(Status::InvalidMemoryAccess.into())
    }
}
