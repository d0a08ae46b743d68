//! Real servers and clients over the networks of `seam`.
//! (`cfg(test)` tells clippy what these modules are.)

#[cfg(test)]
mod admin;
#[cfg(feature = "kubernetes")]
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod deadline;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod explain;
#[cfg(feature = "faults")]
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fleet;
#[cfg(feature = "kubernetes")]
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod nameserver;
#[cfg(test)]
mod numbered;
#[cfg(feature = "otlp")]
#[cfg(test)]
mod otlp;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod retry;
mod silence;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod trace;
