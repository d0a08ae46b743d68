//! Mutual TLS: who gets a connection, who may call what, and certificates that change under load.

mod callers;
mod handshake;
pub(crate) mod raw;
mod rotation;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mesh::{
    CallerPolicy, CallerRates, Client, ClientSettings, Lifecycle, Rate, ServerSettings, Tls,
    TlsSettings, reason_of,
};
use pki::{Files, Issued, Pki};
use tempfile::TempDir;

use crate::fleet::{client, settings};
use crate::probe::{Probe, World, ask};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

fn at(files: &Files) -> TlsSettings {
    TlsSettings::new(&files.cert, &files.key, &files.ca, "paymesh")
}

/// What is in force in a folder of its own.
fn loaded(issued: &Issued, folder: &Path) -> Tls {
    Tls::load(&at(&issued.write(folder).unwrap())).unwrap()
}

/// Members of one mesh.
pub(crate) struct Members {
    pub(crate) pki: Pki,
    folder: TempDir,
    pub(crate) world: World,
}

impl Members {
    pub(crate) fn of(world: World) -> Self {
        Self {
            pki: Pki::new("paymesh").unwrap(),
            folder: tempfile::tempdir().unwrap(),
            world,
        }
    }

    pub(crate) fn tls(&self, name: &str) -> Tls {
        let issued = self.pki.certify(name, HOUR).unwrap();
        loaded(&issued, &self.folder.path().join(name))
    }

    /// Serves a probe that everybody may call.
    pub(crate) async fn serve(&self, tls: &Tls) -> String {
        self.serve_as(open_to_all(tls)).await
    }

    async fn serve_as(&self, settings: ServerSettings) -> String {
        let lifecycle = Lifecycle::new();
        lifecycle.ready();
        let server = self.world.server(settings, &lifecycle).add(Probe::echo());
        self.world.listen(server).await.0
    }

    fn client(&self, address: &str, tls: &Tls, peer: Option<&str>) -> Client {
        let settings = ClientSettings {
            tls: Some(tls.clone()),
            peer: peer.map(str::to_owned),
            ..settings(address)
        };
        client(&self.world, settings)
    }
}

fn open_to_all(tls: &Tls) -> ServerSettings {
    ServerSettings {
        tls: Some(tls.clone()),
        callers: lists(&[("mesh.test.Probe", &["*"])]),
        ..ServerSettings::new("probe")
    }
}

fn lists(lists: &[(&str, &[&str])]) -> CallerPolicy {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let lists = lists
        .iter()
        .map(|(key, names)| ((*key).to_owned(), owned(names)));
    lists.collect::<BTreeMap<_, Vec<_>>>().into()
}

/// Why a call cannot be made.
async fn trouble(client: &Client) -> String {
    let status = ask(client, "x").await.unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
    status.message().to_owned()
}

#[tokio::test]
async fn those_who_prove_who_they_are_talk() {
    for world in World::both() {
        let members = Members::of(world);
        let rate = members.tls("rate");
        let address = members.serve(&rate).await;
        for expected in [None, Some("rate")] {
            let client = members.client(&address, &members.tls("trade"), expected);
            assert_eq!(ask(&client, "hello").await.unwrap(), "hello");
        }
        assert_eq!(rate.view().refused, None);
        assert_eq!(rate.view().identity.as_str(), "spiffe://paymesh/rate");
    }
}

#[tokio::test]
async fn what_an_authority_below_has_issued_is_believed_with_that_authoritys_own_certificate() {
    for world in World::both() {
        let members = Members::of(world);
        let below = members.pki.below().unwrap();
        let far = |name| {
            let issued = below.certify(name, HOUR).unwrap();
            loaded(&issued, &members.folder.path().join("below").join(name))
        };
        let (rate, trade) = (far("rate"), far("trade"));
        for (server, caller) in [(&rate, members.tls("trade")), (&members.tls("rate"), trade)] {
            let address = members.serve(server).await;
            let client = members.client(&address, &caller, Some("rate"));
            assert_eq!(ask(&client, "hello").await.unwrap(), "hello");
        }
        let mut alone = below.certify("rate", HOUR).unwrap();
        let second = alone.cert.rfind("-----BEGIN").unwrap();
        alone.cert.truncate(second);
        let files = alone.write(&members.folder.path().join("alone")).unwrap();
        let said = Tls::load(&at(&files)).unwrap_err().to_string();
        assert!(
            said.contains("was issued by nobody whom the ca file names"),
            "{said}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_that_of_the_name_that_is_proved() {
    let members = Members::of(World::memory());
    let once = Rate {
        per_second: 1.try_into().unwrap(),
        burst: 1.try_into().unwrap(),
    };
    let settings = ServerSettings {
        rates: CallerRates {
            callers: [("trade".to_owned(), once)].into(),
            others: None,
        },
        ..open_to_all(&members.tls("rate"))
    };
    let address = members.serve_as(settings).await;
    // All of them say that they are "test".
    let trade = members.client(&address, &members.tls("trade"), None);
    ask(&trade, "x").await.unwrap();
    let refused = ask(&trade, "x").await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("RATE_LIMITED"));
    let task = members.client(&address, &members.tls("task"), None);
    for _ in 0..9 {
        ask(&task, "x").await.unwrap();
    }
}
