//! Free ports on the loopback. A mesh that is restarted must come back on the same ones.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use seam::{Ids, SystemIds};

// Below the ports that systems give to outgoing connections: while the mesh is dead, no
// connection may take its place.
const FIRST: u16 = 15_000;
const COUNT: u64 = 17_000;
const TRIES: usize = 100;

/// Where a mesh listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) grpc: u16,
    pub(crate) callback: u16,
    pub(crate) admin: u16,
    pub(crate) sandbox: u16,
}

impl Ports {
    /// Ports that nobody listens on now.
    pub(crate) fn free() -> io::Result<Self> {
        let [grpc, callback, admin, sandbox] = unused()?;
        Ok(Self {
            grpc,
            callback,
            admin,
            sandbox,
        })
    }
}

/// So many ports that nobody listens on now.
pub(crate) fn unused<const N: usize>() -> io::Result<[u16; N]> {
    // Held until all are known, so that they differ.
    let held: Vec<_> = (0..N).map(|_| bind()).collect::<io::Result<_>>()?;
    let ports: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
    let short = |_| io::ErrorKind::AddrNotAvailable.into();
    ports.try_into().map_err(short)
}

fn bind() -> io::Result<(u16, TcpListener)> {
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let port = FIRST + u16::try_from(SystemIds.bits() % COUNT).unwrap_or(0);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok((port, listener)),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_differ_and_can_be_bound() {
        let Ports {
            grpc,
            callback,
            admin,
            sandbox,
        } = Ports::free().unwrap();
        let bound = [grpc, callback, admin, sandbox]
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        assert_eq!(bound.len(), 4);
    }
}
