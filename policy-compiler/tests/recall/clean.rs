//! Clean text: what the crates that this program is built from come with.
