//! The demo: starts a mesh, sends orders through it, kills it meanwhile, and checks the books.
//! It knows what any client knows: gRPC, and the process it started.

pub mod books;
mod calls;
mod chaos;
mod child;
mod compress;
mod demo;
mod error;
mod fetch;
mod flood;
mod flow;
mod order;
mod peers;
mod persist;
mod plan;
mod ports;
mod progress;
mod report;
mod seed;
mod signal;
mod split;
mod story;
mod tasks;

pub use books::Books;
pub use calls::Phase;
pub use demo::{Demo, Outcome, demo};
pub use error::DrillError;
pub use flood::storm::{Storm, Stormed, storm};
pub use flood::{Flood, Flooded, Measured, Pair, flood};
pub use plan::end::End;
pub use plan::kind::Kind;
pub use split::{Blows, Split, SplitDemo, Stores, up_split};
pub use story::Story;
