//! Where production and simulation differ: time, randomness and the network.
//! Everything else takes these as arguments and never asks the system.

pub mod clock;
pub mod ids;
pub mod net;

pub use clock::{Clock, ManualClock, SystemClock};
pub use ids::{Ids, SeededIds, SystemIds};
