//! Names to addresses.

use std::io;
use std::net::SocketAddr;

/// Knows the addresses of names.
#[tonic::async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Every address of a host, with the port.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// What the system is configured to ask: the hosts file, DNS.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemResolver;

#[tonic::async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}
