//! Where a client finds its peer: a name, a list or a file of addresses. What was last known is
//! kept whatever goes wrong, and nothing here waits for traffic.

mod dns;
mod file;
mod fixed;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

pub use dns::{Resolve, SystemResolver};

// However often trouble asks for it, nothing is looked up more often.
const SOONEST: Duration = Duration::from_millis(500);
const LOOKUP_WITHIN: Duration = Duration::from_secs(5);
const FILE_EVERY: Duration = Duration::from_secs(5);

/// Whom a client calls, as it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// One name, each of whose addresses is an endpoint: `host:port` or `dns:///host:port`.
    Name(HostPort),
    /// `static:///a:1,b:2`.
    List(Vec<HostPort>),
    /// `file:///path`: one `host:port` a line.
    File(PathBuf),
}

impl Target {
    /// Reads a target; none when it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(list) = text.strip_prefix("static:///") {
            return fixed::parse(list).map(Self::List);
        }
        if let Some(path) = text.strip_prefix("file://") {
            let path = Path::new(path);
            let named = path.is_absolute() && path.file_name().is_some();
            return named.then(|| Self::File(path.to_owned()));
        }
        let name = text.strip_prefix("dns:///").unwrap_or(text);
        HostPort::parse(name).map(Self::Name)
    }

    /// What to call the peer by, where all endpoints share a name.
    pub(crate) fn authority(&self) -> Option<Authority> {
        match self {
            Self::Name(name) => name.to_string().parse().ok(),
            Self::List(_) | Self::File(_) => None,
        }
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Reads `host:port`, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let plain = authority.as_str() == text && !text.contains('@');
        let host = authority.host();
        let port = authority.port_u16()?;
        (plain && !host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
        })
    }

    /// The address, when the host is one already.
    fn literal(&self) -> Option<SocketAddr> {
        let host = self.host.trim_matches(['[', ']']);
        let ip: IpAddr = host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why addresses are not known.
#[derive(Debug, Error)]
pub(crate) enum DiscoverError {
    /// The resolver failed, or knows no address.
    #[error("{name} cannot be resolved: {source}")]
    Name {
        /// The name.
        name: HostPort,
        /// What the resolver says.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    File {
        /// Where it should be.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A line of the file is no address.
    #[error("{path}: {line:?} is not host:port")]
    Line {
        /// The file.
        path: String,
        /// The line.
        line: String,
    },
}

/// Who wants to know.
pub(crate) trait Audience: Send + Sync {
    /// All addresses, as far as they are known.
    fn found(&self, addresses: Vec<SocketAddr>);

    /// Something could not be looked up; what was found before stands.
    fn failed(&self, error: DiscoverError);

    /// Notified when the answer may have changed.
    fn trouble(&self) -> &Notify;
}

/// Looks a target's addresses up, again and again.
pub(crate) struct Discovery {
    target: Target,
    resolver: Arc<dyn Resolve>,
    every: Duration,
    names: Vec<HostPort>,
    known: HashMap<HostPort, Vec<SocketAddr>>,
}

impl Discovery {
    pub(crate) fn new(target: Target, resolver: Arc<dyn Resolve>, every: Duration) -> Self {
        let names = match &target {
            Target::Name(name) => vec![name.clone()],
            Target::List(names) => names.clone(),
            Target::File(_) => Vec::new(),
        };
        Self {
            target,
            resolver,
            every,
            names,
            known: HashMap::new(),
        }
    }

    /// Tells the audience what it finds, until there is nothing left to find out.
    pub(crate) async fn run(mut self, audience: &dyn Audience) {
        loop {
            self.look(audience).await;
            if self.is_final() {
                return;
            }
            sleep(SOONEST).await;
            tokio::select! {
                () = sleep(self.pause().saturating_sub(SOONEST)) => {}
                () = audience.trouble().notified() => {}
            }
        }
    }

    async fn look(&mut self, audience: &dyn Audience) {
        if let Target::File(path) = &self.target {
            match file::read(path).await {
                Ok(names) => self.names = names,
                Err(error) => audience.failed(error),
            }
        }
        let mut failure = None;
        for name in &self.names {
            match resolve(&*self.resolver, name).await {
                Ok(addresses) => drop(self.known.insert(name.clone(), addresses)),
                Err(source) => {
                    failure = Some(DiscoverError::Name {
                        name: name.clone(),
                        source,
                    });
                }
            }
        }
        self.known.retain(|name, _| self.names.contains(name));
        let mut addresses: Vec<_> = self.known.values().flatten().copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        // An empty file is no wish to call nobody: it is being written.
        if !addresses.is_empty() {
            audience.found(addresses);
        }
        if let Some(error) = failure {
            audience.failed(error);
        }
    }

    fn is_final(&self) -> bool {
        let literal = self.names.iter().all(|name| name.literal().is_some());
        literal && !matches!(self.target, Target::File(_))
    }

    fn pause(&self) -> Duration {
        match self.target {
            Target::File(_) => self.every.min(FILE_EVERY),
            Target::Name(_) | Target::List(_) => self.every,
        }
    }
}

async fn resolve(resolver: &dyn Resolve, name: &HostPort) -> io::Result<Vec<SocketAddr>> {
    if let Some(address) = name.literal() {
        return Ok(vec![address]);
    }
    let found = timeout(LOOKUP_WITHIN, resolver.resolve(&name.host, name.port)).await;
    let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    Ok(found)
}
