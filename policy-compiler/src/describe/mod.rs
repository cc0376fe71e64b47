//! Words for what stands in a policy.

mod arguments;

pub use arguments::{arguments, constraint, place};

use sallyport_engine::policy::Effect;

/// The key in policy that a rule of this effect stands under.
pub fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

/// Each of the items in backticks: "`a`, `b` or `c`".
pub fn one_of<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    crate::suggest::either(items.iter().map(String::as_str))
}
