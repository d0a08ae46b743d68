//! The use cases, one file each.

mod get_effective_rate;
mod list_rate_history;
mod quote_fee;
mod set_rate_scheme;

pub(crate) use get_effective_rate::get_effective_rate;
pub(crate) use list_rate_history::list_rate_history;
pub(crate) use quote_fee::quote_fee;
pub(crate) use set_rate_scheme::set_rate_scheme;
