//! A fleet whose servers are called by number: the first is at 10.0.0.1, whatever its port.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::join_all;
use mesh::{Client, ClientSettings};
use seam::net::{Listener, Net, Stream};

use crate::fleet::{Fleet, quick};
use crate::probe::{World, ask};

/// Servers, and the network in which they have these addresses.
pub(crate) struct Numbered {
    pub(crate) fleet: Fleet,
    pub(crate) net: Arc<dyn Net>,
}

struct Renamed {
    net: Arc<dyn Net>,
    servers: Vec<String>,
}

#[tonic::async_trait]
impl Net for Renamed {
    async fn dial(&self, address: &str) -> io::Result<Stream> {
        let server = match address.parse().map(|address: SocketAddr| address.ip()) {
            Ok(IpAddr::V4(ip)) if ip.octets()[..3] == [10, 0, 0] => {
                self.servers.get(usize::from(ip.octets()[3]) - 1)
            }
            _ => None,
        };
        self.net.dial(server.map_or(address, String::as_str)).await
    }

    async fn listen(&self, address: &str) -> io::Result<Listener> {
        self.net.listen(address).await
    }
}

impl Numbered {
    pub(crate) async fn start(count: usize) -> Self {
        let fleet = Fleet::start(World::memory(), vec![quick; count]).await;
        let net = Arc::new(Renamed {
            net: fleet.world.net.clone(),
            servers: fleet.addresses.clone(),
        });
        Self { fleet, net }
    }

    pub(crate) fn client(&self, settings: ClientSettings) -> Client {
        Client::new(
            settings,
            self.net.clone(),
            self.fleet.world.policies.clone(),
        )
        .unwrap()
    }

    /// The numbers of those who get calls, none of which fails: as many at once as it takes for
    /// a new one to be picked, too.
    pub(crate) async fn called(&self, client: &Client) -> BTreeSet<usize> {
        let before = self.fleet.counts();
        for answer in join_all((0..100).map(|_| ask(client, "x"))).await {
            answer.unwrap();
        }
        let more = self.fleet.counts().into_iter().zip(before);
        let called = more.zip(1..).filter(|((now, before), _)| now > before);
        called.map(|(_, number)| number).collect()
    }
}
