//! Where a client finds its peer: a name, a list, a file of addresses or a Kubernetes service. What
//! was last known is kept whatever goes wrong, and nothing here waits for traffic.

mod dns;
mod file;
mod fixed;
#[cfg(feature = "kubernetes")]
pub(crate) mod kubernetes;
mod search;
mod service;
#[cfg(test)]
mod tests;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use http::uri::Authority;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

pub use dns::{DnsResolver, Family, Resolve, Resolved, SystemResolver};
use service::ServicePort;
use view::Noted;
pub(crate) use view::{DiscoveryView, Seen};

// However often trouble asks for it, nothing is looked up more often.
const SOONEST: Duration = Duration::from_millis(500);
const LOOKUP_WITHIN: Duration = Duration::from_secs(5);
const FILE_EVERY: Duration = Duration::from_secs(5);
// However short an answer says that it holds, and the first pause after a failure.
const SHORTEST: Duration = Duration::from_secs(1);

/// Whom a client calls, as it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// One name, each of whose addresses is an endpoint: `host:port` or `dns:///host:port`.
    Name(HostPort),
    /// `static:///a:1,b:2`.
    List(Vec<HostPort>),
    /// `file:///path`: one `host:port` a line.
    File(PathBuf),
    /// `kubernetes:///service.namespace:port`.
    Kubernetes(ServicePort),
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
        if let Some(service) = text.strip_prefix("kubernetes:///") {
            return ServicePort::parse(service).map(Self::Kubernetes);
        }
        let name = text.strip_prefix("dns:///").unwrap_or(text);
        HostPort::parse(name).map(Self::Name)
    }

    /// What to call the peer by, where all endpoints share a name.
    pub(crate) fn authority(&self) -> Option<Authority> {
        match self {
            Self::Name(name) => name.to_string().parse().ok(),
            Self::Kubernetes(service) => service.host().parse().ok(),
            Self::List(_) | Self::File(_) => None,
        }
    }

    /// Whether this build knows how to look for it.
    pub(crate) fn is_supported(&self) -> bool {
        cfg!(feature = "kubernetes") || !matches!(self, Self::Kubernetes(_))
    }

    fn source(&self) -> &'static str {
        match self {
            Self::Name(_) => "dns",
            Self::List(_) => "static",
            Self::File(_) => "file",
            Self::Kubernetes(_) => "kubernetes",
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
    /// The file has only comments, or nothing: it may be being written.
    #[error("{path} lists no address: put a host:port on each line")]
    Empty {
        /// The file.
        path: String,
    },
    /// The cluster does not say, or nobody is there.
    #[cfg(feature = "kubernetes")]
    #[error("kubernetes:///{service}: {source}")]
    Kubernetes {
        /// The service.
        service: ServicePort,
        /// What is wrong.
        source: kubernetes::KubernetesError,
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
    /// For how long what was found holds, by the word of whoever told it.
    holds: Duration,
    /// How often in a row something could not be looked up.
    failures: u32,
    seen: Seen,
    #[cfg(feature = "kubernetes")]
    reach: Option<kubernetes::Reach>,
}

impl Discovery {
    /// Looks again when an answer's time is over, and at the latest after `every`.
    pub(crate) fn new(target: Target, resolver: Arc<dyn Resolve>, every: Duration) -> Self {
        let names = match &target {
            Target::Name(name) => vec![name.clone()],
            Target::List(names) => names.clone(),
            Target::File(_) | Target::Kubernetes(_) => Vec::new(),
        };
        Self {
            seen: Seen::new(target.source()),
            target,
            resolver,
            every,
            names,
            known: HashMap::new(),
            holds: every,
            failures: 0,
            #[cfg(feature = "kubernetes")]
            reach: None,
        }
    }

    /// With a way to a cluster's API.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn reaching(self, reach: kubernetes::Reach) -> Self {
        Self {
            reach: Some(reach),
            ..self
        }
    }

    /// How it is going, while it runs and after.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Tells the audience what it finds, until there is nothing left to find out.
    pub(crate) async fn run(mut self, audience: &dyn Audience) {
        let noted = Noted {
            audience,
            seen: self.seen.clone(),
        };
        #[cfg(feature = "kubernetes")]
        if let (Target::Kubernetes(service), Some(reach)) = (&self.target, &self.reach) {
            return kubernetes::follow(service, reach, &noted).await;
        }
        loop {
            self.look(&noted).await;
            if self.is_final() {
                return;
            }
            sleep(SOONEST).await;
            tokio::select! {
                biased;
                () = sleep(self.pause().saturating_sub(SOONEST)) => {}
                () = audience.trouble().notified() => {}
            }
        }
    }

    async fn look(&mut self, audience: &dyn Audience) {
        let (mut answered, mut failure) = (false, None);
        if let Target::File(path) = &self.target {
            match file::read(path).await {
                Ok(names) => {
                    answered = names != self.names;
                    self.names = names;
                }
                Err(error) => failure = Some(error),
            }
        }
        let (resolved, unresolved) = self.resolve().await;
        failure = unresolved.or(failure);
        let mut addresses: Vec<_> = self.known.values().flatten().copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        // What nobody has said in this look is not found: it only stands.
        if (answered || resolved) && !addresses.is_empty() {
            audience.found(addresses);
        }
        self.failures = match failure {
            Some(_) => self.failures.saturating_add(1),
            None => 0,
        };
        if let Some(error) = failure {
            audience.failed(error);
        }
    }

    /// Asks for every name at once; whether any was told, and what could not be told last.
    async fn resolve(&mut self) -> (bool, Option<DiscoverError>) {
        let asked = self.names.iter().map(|name| resolve(&*self.resolver, name));
        let answers = join_all(asked).await;
        self.known.retain(|name, _| self.names.contains(name));
        self.holds = self.every;
        let (mut answered, mut failure) = (false, None);
        for (name, answer) in self.names.iter().zip(answers) {
            match answer {
                Ok(found) => {
                    answered = true;
                    self.holds = self.holds.min(found.ttl.unwrap_or(self.every));
                    let known = self.known.entry(name.clone()).or_default();
                    known.retain(|address| found.leaves(address));
                    known.extend(found.addresses);
                }
                Err(source) => {
                    failure = Some(DiscoverError::Name {
                        name: name.clone(),
                        source,
                    });
                }
            }
        }
        (answered, failure)
    }

    fn is_final(&self) -> bool {
        let literal = self.names.iter().all(|name| name.literal().is_some());
        literal && matches!(self.target, Target::Name(_) | Target::List(_))
    }

    /// Until it looks again by itself: 1 s to `every`.
    fn pause(&self) -> Duration {
        let most = match self.target {
            Target::File(_) => self.every.min(FILE_EVERY),
            _ => self.every,
        };
        // A name that is not there yet may be there soon.
        let again = match self.failures {
            0 => self.holds,
            failures => SHORTEST * 2_u32.saturating_pow(failures.min(16) - 1),
        };
        again.min(self.holds).max(SHORTEST).min(most)
    }
}

async fn resolve(resolver: &dyn Resolve, name: &HostPort) -> io::Result<Resolved> {
    if let Some(address) = name.literal() {
        return Ok(vec![address].into());
    }
    let found = timeout(LOOKUP_WITHIN, resolver.resolve(&name.host, name.port)).await;
    let found = found.unwrap_or_else(|_| {
        let late = format!("no answer within {LOOKUP_WITHIN:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, late))
    })?;
    if found.addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    Ok(found)
}
