//! Names to addresses: what the hosts file says, else what DNS answers, and for how long it holds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;

use super::search::candidates;

const HOSTS: &str = "/etc/hosts";
// Of a server that does not answer; another may. Twice, whatever the system is configured to.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const AGAIN: usize = 1;

/// Knows the addresses of names.
#[tonic::async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Every address of a host, with the port.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved>;
}

/// The addresses of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// All that are known, in no order.
    pub addresses: Vec<SocketAddr>,
    /// For how long they hold; none: until somebody asks again.
    pub ttl: Option<Duration>,
    /// The family nobody could tell about, so that what was known of it stands; none as a rule.
    pub untold: Option<Family>,
}

/// A kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Resolved {
    /// Whether an address that was known before may still be one.
    pub(super) fn leaves(&self, address: &SocketAddr) -> bool {
        match self.untold {
            Some(Family::V4) => address.is_ipv4(),
            Some(Family::V6) => address.is_ipv6(),
            None => false,
        }
    }
}

impl From<Vec<SocketAddr>> for Resolved {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            ..Self::default()
        }
    }
}

/// What the system is configured to ask: the hosts file, else DNS. Both are read again each time.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemResolver;

#[tonic::async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved> {
        let asked = host.to_owned();
        // It reads files.
        let read = tokio::task::spawn_blocking(move || Known::of(&asked));
        match read.await.map_err(io::Error::other)?? {
            Known::Here(ips) => Ok(Resolved::from(at(&ips, port))),
            Known::Elsewhere(lookup) => lookup.resolve(host, port).await,
        }
    }
}

/// DNS servers that are named, instead of the system's.
#[derive(Debug, Clone)]
pub struct DnsResolver {
    /// Where they are; asked over UDP, and over TCP what is too long for that.
    pub servers: Vec<SocketAddr>,
    /// Domains in which a short name is looked for.
    pub search: Vec<String>,
    /// With fewer dots than this a name is looked for in those first.
    pub ndots: usize,
}

#[tonic::async_trait]
impl Resolve for DnsResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved> {
        let servers = self.servers.iter().map(|server| {
            let both = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let both = both.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, both.to_vec())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let lookup = Lookup {
            resolver: resolver(config, ResolverOpts::default())?,
            search: self.search.clone(),
            ndots: self.ndots,
        };
        lookup.resolve(host, port).await
    }
}

/// What the system's files say about a host.
enum Known {
    /// Its addresses.
    Here(Vec<IpAddr>),
    /// Whom to ask.
    Elsewhere(Box<Lookup>),
}

impl Known {
    fn of(host: &str) -> io::Result<Self> {
        let hosts = std::fs::read_to_string(HOSTS).unwrap_or_default();
        let here = in_hosts(&hosts, host);
        if !here.is_empty() {
            return Ok(Self::Here(here));
        }
        let (config, options) = read_system_conf()
            .map_err(|error| io::Error::other(format!("the system's DNS settings: {error}")))?;
        let mut search: Vec<_> = config.search().iter().map(ToString::to_string).collect();
        if search.is_empty() {
            search.extend(config.domain().map(ToString::to_string));
        }
        let lookup = Lookup {
            ndots: options.ndots,
            search,
            resolver: resolver(config, options)?,
        };
        Ok(Self::Elsewhere(Box::new(lookup)))
    }
}

/// The addresses that a hosts file has for a host.
fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let ip = words.next()?.parse().ok()?;
            words
                .any(|name| name.eq_ignore_ascii_case(host))
                .then_some(ip)
        })
        .collect()
}

/// Asks servers for whole names only, and remembers nothing: those above know how long to.
fn resolver(config: ResolverConfig, mut options: ResolverOpts) -> io::Result<TokioResolver> {
    options.cache_size = 0;
    options.timeout = options.timeout.min(ANSWER_WITHIN);
    options.attempts = options.attempts.min(AGAIN);
    options.use_hosts_file = ResolveHosts::Never;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(io::Error::other)
}

/// One search for a host.
struct Lookup {
    resolver: TokioResolver,
    search: Vec<String>,
    ndots: usize,
}

impl Lookup {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved> {
        let names = candidates(host, &self.search, self.ndots);
        let whole = format!("{}.", host.trim_end_matches('.'));
        let mut failure = None;
        for name in &names {
            match self.ask(name, port).await {
                // After a failure the answer of another domain would be another host's.
                Ok(found) if failure.is_none() || *name == whole => {
                    if !found.addresses.is_empty() {
                        return Ok(found);
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let nobody = || {
            let tried = format!("there is no such name: {}", names.join(", "));
            io::Error::new(io::ErrorKind::NotFound, tried)
        };
        Err(failure.unwrap_or_else(nobody))
    }

    /// Both families of one name; neither address nor error when it has none.
    async fn ask(&self, name: &str, port: u16) -> io::Result<Resolved> {
        let (v4, v6) = futures::join!(
            self.records(name, RecordType::A),
            self.records(name, RecordType::AAAA)
        );
        let (untold, records) = match (v4, v6) {
            (Ok(v4), Ok(v6)) => (None, [v4, v6].concat()),
            (Ok(v4), Err(_)) if !v4.is_empty() => (Some(Family::V6), v4),
            (Err(_), Ok(v6)) if !v6.is_empty() => (Some(Family::V4), v6),
            (Err(error), _) | (_, Err(error)) => return Err(named(name, &error)),
        };
        let ips: Vec<_> = records.iter().filter_map(|(ip, _)| *ip).collect();
        let ttl = records.iter().map(|(_, ttl)| *ttl).min();
        Ok(Resolved {
            addresses: at(&ips, port),
            ttl: ttl.map(|seconds| Duration::from_secs(seconds.into())),
            untold,
        })
    }

    /// What is told of a name, with the seconds it holds; its other names are on the way.
    async fn records(
        &self,
        name: &str,
        kind: RecordType,
    ) -> Result<Vec<(Option<IpAddr>, u32)>, NetError> {
        match self.resolver.lookup(name, kind).await {
            Ok(lookup) => {
                let records = lookup.answers().iter();
                Ok(records
                    .map(|record| (ip(&record.data), record.ttl))
                    .collect())
            }
            Err(error) if is_no(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn ip(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(ip) => Some(ip.0.into()),
        RData::AAAA(ip) => Some(ip.0.into()),
        _ => None,
    }
}

fn at(ips: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

/// Whether the answer is that there is nothing of the kind, which is no failure.
fn is_no(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(no))
        if matches!(no.response_code, ResponseCode::NXDomain | ResponseCode::NoError))
}

fn named(name: &str, error: &NetError) -> io::Error {
    let kind = match error {
        NetError::Timeout => io::ErrorKind::TimedOut,
        NetError::Io(error) => error.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_file_has_names_after_an_address() {
        let text =
            "127.0.0.1 localhost # loop\n\n::1\tip6 LocalHost\n#10.0.0.1 trade\nx localhost\n";
        let expected: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(in_hosts(text, "localhost."), expected);
        assert!(in_hosts(text, "trade").is_empty() && in_hosts(text, "loop").is_empty());
    }
}
