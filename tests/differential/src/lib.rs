//! Compares the engine's JSON reader with the parsers that stand behind the gate.
//!
//! ```text
//! generate ─► bodies ─► engine ─┬─ refused: counted by fault
//!                               └─ accepted ─► the same bytes to every parser ─► compare canonical forms
//! ```

pub mod canonical;
pub mod compare;
pub mod generate;
pub mod operation;
pub mod parser;
pub mod suite;
