//! Certificates that are wrong, not allowed or new, against every kind of call.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mesh::{
    CallerPolicy, Client, ClientSettings, Pick, ServerSettings, Tls, TlsSettings, reason_of,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use pki::{Files, Pki, Volume};
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{KINDS, said, serve, shown};
use crate::fleet::{SECOND, client, settings};
use crate::probe::{Probe, World};

const HOUR: Duration = Duration::from_hours(1);
const SERVICES: [&str; 2] = ["paymesh.trade.v1.TradeService", "mesh.test.Probe"];

fn load(files: &Files) -> Tls {
    Tls::load(&TlsSettings::new(
        &files.cert,
        &files.key,
        &files.ca,
        "paymesh",
    ))
    .unwrap()
}

fn certified(pki: &Pki, name: &str, folder: &Path) -> Tls {
    let issued = pki.certify(name, HOUR).unwrap();
    load(&issued.write(folder).unwrap())
}

/// A server that these may call.
fn open_to(callers: &str, tls: &Tls) -> ServerSettings {
    let lists = SERVICES.map(|service| (service.to_owned(), vec![callers.to_owned()]));
    ServerSettings {
        tls: Some(tls.clone()),
        callers: CallerPolicy::from(BTreeMap::from(lists)),
        ..ServerSettings::new("secured")
    }
}

fn secured(world: &World, addresses: &[&str], tls: &Tls) -> Client {
    let settings = ClientSettings {
        tls: Some(tls.clone()),
        peer: Some("rate".to_owned()),
        pick: Pick::First,
        ..settings(&format!("static:///{}", addresses.join(",")))
    };
    client(world, settings)
}

fn folders<const N: usize>() -> [TempDir; N] {
    std::array::from_fn(|_| tempfile::tempdir().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_wrong_certificate_costs_no_call_while_another_is_right_and_is_named() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _seen = metrics::set_default_local_recorder(&recorder);
    let (pki, stranger) = (Pki::new("paymesh").unwrap(), Pki::new("paymesh").unwrap());
    let [wrong, right, own] = folders();
    let wrong = certified(&stranger, "rate", wrong.path());
    let right = certified(&pki, "rate", right.path());
    let own = certified(&pki, "trade", own.path());
    let world = World::memory();
    let (bad, asked) = serve(&world, open_to("*", &wrong), Probe::echo()).await;
    let (good, seen) = serve(&world, open_to("*", &right), Probe::echo()).await;
    for kind in KINDS {
        let both = secured(&world, &[&bad, &good], &own);
        assert_eq!(said(&both, kind).await.unwrap(), "said", "{kind:?}");
        assert_eq!((asked.calls(), seen.calls()), (0, 1));
        let status = said(&secured(&world, &[&bad], &own), kind)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{kind:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
        let why = "a certificate that was not signed by the authority that it names";
        assert!(status.message().contains(why), "{}", status.message());
    }
    let failed = ["result=\"failed\""];
    assert!(shown(&recorder, "mesh_client_dials_total", &failed) >= 3);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_not_allowed_is_refused_and_nothing_is_repeated() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _seen = metrics::set_default_local_recorder(&recorder);
    let pki = Pki::new("paymesh").unwrap();
    let [server, own] = folders();
    let server = certified(&pki, "rate", server.path());
    let own = certified(&pki, "trade", own.path());
    let world = World::memory();
    let (address, seen) = serve(&world, open_to("operator", &server), Probe::echo()).await;
    let client = secured(&world, &[&address], &own);
    for kind in KINDS {
        let status = said(&client, kind).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{kind:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("CALLER_NOT_ALLOWED"));
        assert!(status.message().contains("trade"), "{}", status.message());
        assert_eq!(seen.calls(), 0);
    }
    let refused = ["grpc_code=\"PermissionDenied\""];
    assert_eq!(shown(&recorder, "grpc_server_handled_total", &refused), 3);
    assert_eq!(
        shown(&recorder, "grpc_client_attempts_handled_total", &refused),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_changes_costs_no_call_of_any_kind() {
    let pki = Pki::new("paymesh").unwrap();
    let world = World::memory();
    let certify = |name, hours| pki.certify(name, Duration::from_hours(hours)).unwrap();
    let [server, own] = folders();
    let mut server = Volume::mount(server.path(), &certify("rate", 1)).unwrap();
    let mut own = Volume::mount(own.path(), &certify("trade", 1)).unwrap();
    let [servers, owns] = [load(&server.files()), load(&own.files())];
    let stop = CancellationToken::new();
    tokio::spawn(servers.reload(stop.clone()));
    tokio::spawn(owns.reload(stop.clone()));
    let _stop = stop.drop_guard();
    let (address, _) = serve(&world, open_to("*", &servers), Probe::echo()).await;
    let lasting = secured(&world, &[&address], &owns);
    for second in 0..60 {
        match second {
            10 => server.swap(&certify("rate", 2)).unwrap(),
            25 => own.swap(&certify("trade", 2)).unwrap(),
            40 => server.swap(&certify("rate", 3)).unwrap(),
            _ => {}
        }
        // Over a connection that lasts, and over a new one.
        for client in [lasting.clone(), secured(&world, &[&address], &owns)] {
            for kind in KINDS {
                let answer = said(&client, kind).await;
                assert_eq!(answer.unwrap(), "said", "{kind:?} after {second} s");
            }
        }
        sleep(SECOND).await;
    }
    // The last ones are indeed in use.
    let (own, server) = (owns.view(), servers.view());
    assert_eq!((own.error, server.error), (None, None));
    assert!(server.expires > own.expires + HOUR.as_secs() / 2);
}
