//! Real servers and clients over the networks of `seam`.
//! (`cfg(test)` tells clippy what these modules are.)

#[cfg(test)]
mod admin;
#[cfg(test)]
mod deadline;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod trace;
