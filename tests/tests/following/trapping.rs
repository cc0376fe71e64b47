//! A module that traps where a test wants it to.

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// The module, but for one callback, whose code is `unreachable` and then nothing: the module itself has no way to be made to trap.
pub fn trapping(module: &[u8], callback_name: &str) -> Vec<u8> {
    let (mut imported, mut callback, mut bodies) = (0, None, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::ImportSection(imports) => {
                let functions = imports
                    .into_imports()
                    .filter(|import| matches!(import.as_ref().unwrap().ty, TypeRef::Func(_)));
                imported = functions.count();
            }
            Payload::ExportSection(exports) => {
                let found =
                    exports.into_iter().map(Result::unwrap).find(|export| export.name == callback_name);
                callback =
                    found.filter(|export| export.kind == ExternalKind::Func).map(|export| export.index);
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range()),
            _ => {}
        }
    }
    let index = usize::try_from(callback.unwrap()).unwrap();
    let body = bodies[index - imported].clone();
    let mut module = module.to_vec();
    // No locals, `unreachable`, `nop` up to the last byte, `end`.
    module[body.clone()].fill(0x01);
    module[body.start..body.start + 2].fill(0x00);
    module[body.end - 1] = 0x0b;
    module
}
