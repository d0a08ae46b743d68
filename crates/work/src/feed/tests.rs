//! The feed from commit to acknowledgement, over a mesh within the process.

mod proved;
mod pulling;
mod sequencing;
mod serving;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mesh::{Client, ClientSettings, Lifecycle, Policies, Server, ServerSettings};
use proto::feed::v1::feed_service_client::FeedServiceClient;
use seam::net::{Memory, Net as _};
use store::feed::{SHARDS, Sequenced};
use store::{Db, feed};

use super::puller::{Applied, Handler};
use super::server::{FeedServer, FeedServerSettings};

const PUBLISHER: &str = "gateway";

// A real server of `db`'s feed, and a client of it.
async fn serve(db: &Db, lifecycle: &Lifecycle) -> FeedServiceClient<Client> {
    let net = Arc::new(Memory::default());
    let address = serve_at(db, lifecycle, (&net, ServerSettings::new("test"))).await;
    client(net, ClientSettings::new("test", address))
}

fn client(net: Arc<Memory>, settings: ClientSettings) -> FeedServiceClient<Client> {
    let policies = Policies::read(proto::DESCRIPTORS).unwrap();
    FeedServiceClient::new(Client::new(settings, net, policies).unwrap())
}

async fn serve_at(
    db: &Db,
    lifecycle: &Lifecycle,
    (net, settings): (&Memory, ServerSettings),
) -> String {
    let policies = Policies::read(proto::DESCRIPTORS).unwrap();
    let listener = net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let feeds = [(PUBLISHER.to_owned(), db.clone())];
    let service = FeedServer::new(feeds, FeedServerSettings::default(), lifecycle).service();
    let server = Server::new(settings, policies, lifecycle.clone()).add(service);
    lifecycle.ready();
    lifecycle.spawn("server", async move {
        server.serve(listener).await.unwrap();
    });
    address
}

// What is in the feed: (sequence, key, version), in the feed's order.
async fn whole_feed(db: &Db) -> Vec<(i64, i64, i64)> {
    let mut all = Vec::new();
    for shard in 0..SHARDS {
        let events = feed::read(db, shard, 0, 10_000).await.unwrap();
        all.extend(
            events
                .iter()
                .map(|event| (event.seq, event.key, version(event))),
        );
    }
    all.sort_unstable();
    all
}

fn version(event: &Sequenced) -> i64 {
    i64::from_be_bytes(event.payload.clone().try_into().unwrap())
}

// Notes what it is given; fails as it is told to.
#[derive(Default)]
struct Recorder {
    seen: Mutex<BTreeMap<i64, Vec<i64>>>,
    // Key and version of what fails, and how.
    failing: Mutex<BTreeMap<(i64, i64), Applied>>,
    tries: Mutex<u32>,
}

impl Recorder {
    fn seen(&self, key: i64) -> Vec<i64> {
        self.seen
            .lock()
            .unwrap()
            .get(&key)
            .cloned()
            .unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().values().map(Vec::len).sum()
    }

    fn fail(&self, key: i64, version: i64, how: Applied) {
        self.failing.lock().unwrap().insert((key, version), how);
    }

    fn heal(&self) {
        self.failing.lock().unwrap().clear();
    }

    fn tries(&self) -> u32 {
        *self.tries.lock().unwrap()
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn apply(&self, event: &Sequenced) -> Applied {
        *self.tries.lock().unwrap() += 1;
        let failing = self
            .failing
            .lock()
            .unwrap()
            .get(&(event.key, version(event)))
            .cloned();
        if let Some(how) = failing {
            return how;
        }
        self.seen
            .lock()
            .unwrap()
            .entry(event.key)
            .or_default()
            .push(version(event));
        Applied::Done
    }
}
