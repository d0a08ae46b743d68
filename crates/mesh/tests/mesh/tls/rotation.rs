//! Certificates and authorities that change while calls run: no call notices, and what is broken
//! is not taken.

use std::fs;
use std::time::Duration;

use mesh::{ClientSettings, Tls, install_metrics};
use pki::{Issued, Pki, Validity, Volume};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use super::{HOUR, Members, at, open_to_all, trouble};
use crate::fleet::{SECOND, client, load, millis, settings};
use crate::probe::{Probe, World, ask};

// A look at the files comes every ten seconds.
const LOOK: Duration = Duration::from_secs(11);

/// A member whose certificates are mounted and looked at again.
struct Mounted {
    volume: Volume,
    tls: Tls,
    _stop: DropGuard,
}

impl Mounted {
    fn new(members: &Members, name: &str, issued: &Issued) -> Self {
        let volume = Volume::mount(&members.folder.path().join(name), issued).unwrap();
        let tls = Tls::load(&at(&volume.files())).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(tls.reload(stop.clone()));
        Self {
            volume,
            tls,
            _stop: stop.drop_guard(),
        }
    }

    async fn swap(&mut self, issued: &Issued) {
        self.volume.swap(issued).unwrap();
        sleep(LOOK).await;
    }
}

fn steady() -> Probe {
    Probe::new(async |text| {
        sleep(millis(50)).await;
        Ok(text)
    })
}

/// A server and a client of one mesh, each with certificates of its own.
struct Pair {
    members: Members,
    server: Mounted,
    client: Mounted,
    address: String,
}

impl Pair {
    async fn start() -> Self {
        let members = Members::of(World::memory());
        let mounted = |name| {
            let issued = members.pki.certify(name, HOUR).unwrap();
            Mounted::new(&members, name, &issued)
        };
        let (server, client) = (mounted("rate"), mounted("trade"));
        let lifecycle = mesh::Lifecycle::new();
        lifecycle.ready();
        let settings = open_to_all(&server.tls);
        let serving = members.world.server(settings, &lifecycle).add(steady());
        let (address, _) = members.world.listen(serving).await;
        Self {
            members,
            server,
            client,
            address,
        }
    }

    fn settings(&self) -> ClientSettings {
        ClientSettings {
            tls: Some(self.client.tls.clone()),
            peer: Some("rate".to_owned()),
            ..settings(&self.address)
        }
    }

    /// Calls over connections that last and over new ones; what failed.
    fn load(&self, lasting: Duration) -> tokio::task::JoinHandle<(usize, Vec<Status>)> {
        let (world, settings) = (self.members.world.clone(), self.settings());
        let (lasts, until) = (client(&world, settings.clone()), Instant::now() + lasting);
        tokio::spawn(async move {
            let churn = async {
                let (mut made, mut failed) = (0, Vec::new());
                while Instant::now() < until {
                    made += 1;
                    let new = client(&world, settings.clone());
                    failed.extend(ask(&new, "x").await.err());
                    sleep(millis(150)).await;
                }
                (made, failed)
            };
            let ((made, mut failed), (new, more)) = tokio::join!(load(&lasts, 3, lasting), churn);
            failed.extend(more);
            (made + new, failed)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_costs_no_call() {
    let mut pair = Pair::start().await;
    let load = pair.load(5 * LOOK);
    let before = pair.server.tls.view().expires;
    let certify = |name, hours| {
        let lasting = Duration::from_hours(hours);
        pair.members.pki.certify(name, lasting).unwrap()
    };
    let (next, later, last) = (certify("rate", 2), certify("trade", 2), certify("rate", 3));
    pair.server.swap(&next).await;
    pair.client.swap(&later).await;
    pair.server.swap(&last).await;
    let (made, failed) = load.await.unwrap();
    assert!(failed.is_empty() && made > 1_000, "{made} {failed:?}");
    // They are indeed in use.
    let after = pair.server.tls.view();
    assert!(after.expires >= before + 2 * HOUR.as_secs(), "{after:?}");
    assert_eq!((after.error, after.refused), (None, None));
    assert!(pair.client.tls.view().expires > before);
}

#[tokio::test(start_paused = true)]
async fn a_new_authority_costs_no_call_when_both_are_trusted_for_a_while() {
    let mut pair = Pair::start().await;
    let load = pair.load(8 * LOOK);
    // Of the same name, as authorities are that are renewed.
    let new = Pki::new("paymesh").unwrap();
    let both = |pki: &Pki, other: &Pki, name| pki.certify(name, HOUR).unwrap().trusting(other);
    let old = Pki::new("unused").unwrap();
    let old = std::mem::replace(&mut pair.members.pki, old);
    pair.server.swap(&both(&old, &new, "rate")).await;
    pair.client.swap(&both(&old, &new, "trade")).await;
    pair.server.swap(&both(&new, &old, "rate")).await;
    pair.client.swap(&both(&new, &old, "trade")).await;
    pair.client.swap(&new.certify("trade", HOUR).unwrap()).await;
    pair.server.swap(&new.certify("rate", HOUR).unwrap()).await;
    let (made, failed) = load.await.unwrap();
    assert!(failed.is_empty() && made > 1_000, "{made} {failed:?}");
    // The old one is believed no longer.
    let stale = Mounted::new(&pair.members, "stale", &both(&old, &new, "trade"));
    let settings = ClientSettings {
        tls: Some(stale.tls.clone()),
        ..pair.settings()
    };
    let said = trouble(&client(&pair.members.world, settings)).await;
    assert!(said.contains("refuses our certificate"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_is_not_taken_and_the_last_good_stays() {
    let metrics = install_metrics().unwrap();
    let mut pair = Pair::start().await;
    let pki = &pair.members.pki;
    let good = pki.certify("rate", HOUR).unwrap();
    let changed = |change: fn(&mut Issued)| {
        let mut issued = good.clone();
        change(&mut issued);
        issued
    };
    let other = pki.certify("rate", HOUR).unwrap();
    let mismatched = Issued {
        key: other.key.clone(),
        ..good.clone()
    };
    let stranger = Pki::new("other").unwrap().certify("rate", HOUR).unwrap();
    let unbelieved = Issued {
        ca: stranger.ca,
        ..good.clone()
    };
    let cases = [
        (changed(|i| i.cert.clear()), "tls.crt holds no certificate"),
        (
            changed(|i| i.cert.truncate(200)),
            "tls.crt is malformed: PEM is expected",
        ),
        (changed(|i| i.key.clear()), "tls.key holds no private key"),
        (changed(|i| i.ca.clear()), "ca.crt holds no certificate"),
        (mismatched, "is not that of the certificate in"),
        (unbelieved, "was issued by nobody whom the ca file names"),
        (
            pki.certify("rate", Validity::over()).unwrap(),
            "tls.crt holds a certificate that expired at 2",
        ),
        (
            pki.certify("rate", Validity::to_come()).unwrap(),
            "is not valid before 2",
        ),
        (
            pki.certify_ids(&["spiffe://elsewhere/rate"], HOUR).unwrap(),
            "not of the trust domain paymesh",
        ),
        (
            pki.certify("trade", HOUR).unwrap(),
            "tls.crt holds a certificate for spiffe://paymesh/trade, and this process is \
             spiffe://paymesh/rate: it is another only after a restart",
        ),
        (
            changed(|i| i.ca.push_str(&i.cert)),
            "ca.crt holds a certificate that is no authority's",
        ),
    ];
    let used = pair.server.tls.view();
    for (broken, why) in cases {
        pair.server.swap(&broken).await;
        let view = pair.server.tls.view();
        let said = view.error.unwrap();
        assert!(said.contains(why), "{said}");
        assert_eq!((view.expires, view.loaded), (used.expires, used.loaded));
        let new = client(&pair.members.world, pair.settings());
        ask(&new, "x").await.unwrap();
    }
    let later = pair.members.pki.certify("rate", 2 * HOUR).unwrap();
    pair.server.swap(&later).await;
    let view = pair.server.tls.view();
    assert_eq!(view.error, None);
    assert!(view.expires > used.expires);
    let files = pair.server.volume.files();
    fs::remove_file(files.key).unwrap();
    sleep(LOOK + SECOND).await;
    let said = pair.server.tls.view().error.unwrap();
    let shown = metrics.render();
    for name in [
        "mesh_tls_reload_total{result=\"failed\"}",
        "mesh_tls_reload_total{result=\"ok\"}",
        "mesh_tls_handshakes_total{result=\"ok\"}",
        "mesh_tls_expiry_timestamp_seconds 1",
    ] {
        assert!(shown.contains(name), "{name} is not in {shown}");
    }
    assert!(
        said.contains("tls.key cannot be read: No such file"),
        "{said}"
    );
}
