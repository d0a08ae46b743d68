use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesh::{ClientSettings, Lifecycle, ServerSettings, Tls, TlsSettings, reason_of};
use pki::Pki;
use proto::feed::v1::{AckEventsRequest, PullEventsRequest};
use seam::net::Memory;
use testkit::ENGINES;
use tonic::{Code, Status};

use super::serving::{KEY, ack, pull};
use super::{client, serve_at};
use crate::feed::sequencer::{Sequencer, SequencerSettings};
use crate::harness::{World, publish};

const HOUR: Duration = Duration::from_hours(1);

fn refused(status: &Status) {
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    let reason = reason_of(status);
    assert_eq!(reason.as_deref(), Some("SUBSCRIBER_NOT_ALLOWED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_proved_a_name_can_neither_read_nor_skip_for_another() {
    let (pki, folder) = (Pki::new("paymesh").unwrap(), tempfile::tempdir().unwrap());
    let tls = |name: &str| {
        let files = pki.issue(name, HOUR, &folder.path().join(name)).unwrap();
        let settings = TlsSettings::new(&files.cert, &files.key, &files.ca, "paymesh");
        Some(Tls::load(&settings).unwrap())
    };
    for engine in ENGINES {
        let (world, lifecycle) = (World::new(engine).await, Lifecycle::new());
        publish(&world.db, KEY, 1).await;
        let (db, idle) = (world.db.clone(), Lifecycle::new());
        let sequencer = Sequencer::new(db, SequencerSettings::default(), &idle);
        sequencer.drain().await.unwrap();
        // Whoever has a certificate may call: that alone does not make it trade.
        let everybody = (
            "paymesh.feed.v1.FeedService".to_owned(),
            vec!["*".to_owned()],
        );
        let settings = ServerSettings {
            tls: tls("pay-gateway"),
            callers: BTreeMap::from([everybody]).into(),
            ..ServerSettings::new("test")
        };
        let net = Arc::new(Memory::default());
        let address = serve_at(&world.db, &lifecycle, (&net, settings)).await;
        let feed = |name: &str| {
            let settings = ClientSettings {
                tls: tls(name),
                ..ClientSettings::new("test", &*address)
            };
            client(Arc::clone(&net), settings)
        };
        let mut rate = feed("rate");
        refused(&rate.pull_events(pull()).await.unwrap_err());
        refused(&rate.ack_events(ack(1, 1)).await.unwrap_err());
        // No lease and no cursor stands in the way of the one it is about.
        let mut trade = feed("trade");
        let pulled = trade.pull_events(pull()).await.unwrap().into_inner();
        assert_eq!(pulled.events.len(), 1);
        refused(&rate.ack_events(ack(pulled.token, 1)).await.unwrap_err());
        let other = PullEventsRequest {
            subscriber: "Trade".to_owned(),
            ..pull()
        };
        refused(&trade.pull_events(other).await.unwrap_err());
        let other = AckEventsRequest {
            subscriber: "rate".to_owned(),
            ..ack(pulled.token, 1)
        };
        refused(&trade.ack_events(other).await.unwrap_err());
        trade.ack_events(ack(pulled.token, 1)).await.unwrap();
        lifecycle.stop();
    }
}
