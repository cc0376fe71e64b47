//! `serde_json` as one of the parsers: see `sallyport_differential::parser` for what it reads and writes.

use sallyport_differential::canonical;
use sha2::{Digest, Sha256};
use std::io::{self, BufWriter, Read, Write};

fn main() -> io::Result<()> {
    let show = std::env::args().next_back().is_some_and(|last| last == "show");
    let (mut input, mut output) = (io::stdin().lock(), BufWriter::new(io::stdout().lock()));
    writeln!(
        output,
        "serde_json, {}",
        if cfg!(feature = "float_roundtrip") { "float_roundtrip" } else { "as it comes" }
    )?;
    output.flush()?;
    while let Some(count) = number(&mut input)? {
        for _ in 0..count {
            let mut body = vec![0; usize::try_from(number(&mut input)?.unwrap_or(0)).unwrap_or(0)];
            input.read_exact(&mut body)?;
            match serde_json::from_slice(&body).map(|value| canonical::of_serde(&value)) {
                Ok(form) if show => writeln!(output, "{}", hex(&form))?,
                Ok(form) => writeln!(output, "{}", hex(&Sha256::digest(form)))?,
                Err(why) => writeln!(output, "- {:.78}", why.to_string())?,
            }
        }
        output.flush()?;
    }
    Ok(())
}

/// `None` at the end of the input.
fn number(input: &mut impl Read) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(u32::from_be_bytes(bytes))),
        Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
