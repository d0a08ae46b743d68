//! Who is at the other end of a connection.

use std::net::SocketAddr;

use crate::tls::SpiffeId;

/// The other end; on the extensions of every request that a server takes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where it is, if the network tells.
    pub address: Option<SocketAddr>,
    /// Who it has proved to be; none without TLS.
    pub identity: Option<SpiffeId>,
}

impl Peer {
    /// What configuration calls it: the last part of its id.
    pub fn name(&self) -> Option<&str> {
        self.identity.as_ref().map(SpiffeId::name)
    }
}
