//! Words for what stands in a policy.

mod arguments;
mod conditions;

pub use arguments::{arguments, clause, constraint, place};
pub use conditions::{conditions, limit, seconds};

/// Each of the items in backticks: "`a`, `b` or `c`".
pub fn one_of<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    crate::suggest::either(items.iter().map(String::as_str))
}
