//! The use cases, one file each.

mod get_effective_rate;
mod set_rate_scheme;

pub(crate) use get_effective_rate::get_effective_rate;
pub(crate) use set_rate_scheme::set_rate_scheme;
