//! The functions that the guest imports, by noun.
//!
//! Each is a plain function over a [`Guest`] that answers with a [`Status`](super::abi::Status); this file only names them.
//! Whatever a module imports beyond these answers `Unimplemented`, so that a module that links more than it calls still runs.

mod buffers;
mod headers;
mod plugin;
mod streams;

use wasmtime::{Caller, ExternType, FuncType, Linker, Module, Val, ValType};

use super::abi::{Status, finish};
use super::error::HostError;
use super::host::Host;
use super::memory::Guest;

/// Defines `env.<name>` with the given parameters, as the function of that path.
macro_rules! define {
    ($linker:ident: $($name:literal => $function:path, ($($parameter:ident: $type:ty),*);)*) => {$(
        $linker.func_wrap("env", $name, |caller: Caller<'_, Host>, $($parameter: $type),*| {
            finish($function(&mut Guest(caller), $($parameter),*))
        })?;
    )*};
}

/// A linker that satisfies every import of `module`.
pub(super) fn linker(module: &Module) -> Result<Linker<Host>, HostError> {
    let mut linker = Linker::new(module.engine());
    for import in module.imports() {
        let ExternType::Func(function) = import.ty() else {
            let what = format!("it imports `{}.{}`, which is no function", import.module(), import.name());
            return Err(HostError::NotProxyWasm(what));
        };
        unimplemented(&mut linker, import.module(), import.name(), function).map_err(refused)?;
    }
    linker.allow_shadowing(true);
    modelled(&mut linker).map_err(refused)?;
    Ok(linker)
}

fn refused(error: wasmtime::Error) -> HostError {
    HostError::Instantiate(error.to_string())
}

/// A function of that type that does nothing and says so.
fn unimplemented(
    linker: &mut Linker<Host>,
    module: &str,
    name: &str,
    function: FuncType,
) -> wasmtime::Result<()> {
    let answers: Vec<_> = function.results().collect();
    linker.func_new(module, name, function, move |_, _, results| {
        for (result, ty) in results.iter_mut().zip(&answers) {
            *result = match ty {
                ValType::I32 => Val::I32(Status::Unimplemented.code().cast_signed()),
                ValType::I64 => Val::I64(0),
                other => return Err(wasmtime::Error::msg(format!("no answer of type {other} is known"))),
            };
        }
        Ok(())
    })?;
    Ok(())
}

fn modelled(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    define! { linker:
        "proxy_log" => plugin::log, (level: u32, at: u32, length: u32);
        "proxy_get_log_level" => plugin::log_level, (out: u32);
        "proxy_get_current_time_nanoseconds" => plugin::time, (out: u32);
        "proxy_set_tick_period_milliseconds" => plugin::tick_period, (period: u32);
        "proxy_set_effective_context" => plugin::effective_context, (id: u32);
        "proxy_define_metric" => plugin::define_metric, (kind: u32, name: u32, length: u32, out: u32);
        "proxy_increment_metric" => plugin::increment_metric, (id: u32, offset: i64);
        "proxy_record_metric" => plugin::record_metric, (id: u32, value: u64);
        "proxy_get_metric" => plugin::get_metric, (id: u32, out: u32);
        "proxy_get_shared_data" => plugin::get_shared, (key: u32, length: u32, at: u32, size: u32, cas: u32);
        "proxy_set_shared_data" => plugin::set_shared, (key: u32, length: u32, value: u32, size: u32, cas: u32);
        "proxy_register_shared_queue" => plugin::register_queue, (name: u32, length: u32, out: u32);
        "proxy_resolve_shared_queue" => plugin::resolve_queue, (vm: u32, vm_length: u32, name: u32, length: u32, out: u32);
        "proxy_enqueue_shared_queue" => plugin::enqueue, (queue: u32, value: u32, length: u32);
        "proxy_dequeue_shared_queue" => plugin::dequeue, (queue: u32, at: u32, size: u32);
        "proxy_call_foreign_function" => plugin::foreign, (name: u32, length: u32, _args: u32, _size: u32, _at: u32, _out: u32);
        "proxy_http_call" => plugin::http_call,
            (_cluster: u32, _length: u32, _headers: u32, _headers_size: u32, _body: u32, _body_size: u32,
             _trailers: u32, _trailers_size: u32, _timeout: u32, _token: u32);
        "proxy_get_header_map_pairs" => headers::pairs, (map: u32, at: u32, size: u32);
        "proxy_set_header_map_pairs" => headers::set_pairs, (map: u32, at: u32, size: u32);
        "proxy_get_header_map_value" => headers::value, (map: u32, key: u32, length: u32, at: u32, size: u32);
        "proxy_add_header_map_value" => headers::add, (map: u32, key: u32, length: u32, value: u32, size: u32);
        "proxy_replace_header_map_value" => headers::replace, (map: u32, key: u32, length: u32, value: u32, size: u32);
        "proxy_remove_header_map_value" => headers::remove, (map: u32, key: u32, length: u32);
        "proxy_get_header_map_size" => headers::size, (map: u32, out: u32);
        "proxy_get_buffer_bytes" => buffers::bytes, (buffer: u32, start: u32, most: u32, at: u32, size: u32);
        "proxy_get_buffer_status" => buffers::status, (buffer: u32, length: u32, flags: u32);
        "proxy_set_buffer_bytes" => buffers::replace, (buffer: u32, start: u32, length: u32, data: u32, size: u32);
        "proxy_get_property" => streams::get_property, (path: u32, length: u32, at: u32, size: u32);
        "proxy_set_property" => streams::set_property, (path: u32, length: u32, value: u32, size: u32);
        "proxy_continue_stream" => streams::resume, (stream: u32);
        "proxy_close_stream" => streams::close, (stream: u32);
        "proxy_send_local_response" => streams::reply,
            (status: u32, details: u32, details_size: u32, body: u32, body_size: u32,
             headers: u32, headers_size: u32, grpc_status: i32);
    }
    Ok(())
}
