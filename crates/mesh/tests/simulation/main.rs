//! A client and five servers in a simulated network. What fails, and when, is drawn from a seed;
//! whatever it is, the laws of `law.rs` hold, and the same seed tells the same story.
//!
//! `MESH_SEED=17 cargo test -p mesh --test simulation one_seed_alone -- --nocapture` tells one.
//! (`cfg(test)` tells clippy what these modules are.)

#[cfg(test)]
mod caller;
#[cfg(test)]
mod law;
#[cfg(test)]
mod net;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod run;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod server;
#[cfg(test)]
mod world;
