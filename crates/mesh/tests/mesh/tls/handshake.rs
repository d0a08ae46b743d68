//! Who gets no connection, and that both ends say why; and that nobody waits for somebody else's
//! handshake.

use std::sync::Arc;

use mesh::{ServerSettings, Tls};
use pki::{Flaw, Issued, Pki, Validity};
use seam::{Clock, ManualClock, SystemClock};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::AlertDescription;
use tokio_rustls::rustls::version::TLS12;

use super::{HOUR, Members, at, loaded, open_to_all, raw, trouble};
use crate::fleet::{SECOND, millis};
use crate::probe::{Probe, World, ask};

/// Certificates that are not to be believed, and what is wrong with each; one is for another use.
fn wrong(members: &Members, other: Flaw) -> Vec<(Issued, &'static str, AlertDescription)> {
    let own = &members.pki;
    let (others, same) = (Pki::new("other").unwrap(), Pki::new("paymesh").unwrap());
    let ids = |ids: &[&str]| own.certify_ids(ids, HOUR).unwrap();
    vec![
        (
            others
                .certify_ids(&["spiffe://paymesh/trade"], HOUR)
                .unwrap(),
            "a certificate that was issued by nobody whom the ca file names",
            AlertDescription::UnknownCA,
        ),
        (
            same.certify("trade", HOUR).unwrap(),
            "a certificate that was not signed by the authority that it names",
            AlertDescription::DecryptError,
        ),
        (
            own.certify("trade", Validity::over()).unwrap(),
            "a certificate that expired at 2",
            AlertDescription::CertificateExpired,
        ),
        (
            own.certify("trade", Validity::to_come()).unwrap(),
            "a certificate that is not valid before 2",
            AlertDescription::CertificateExpired,
        ),
        (
            ids(&["spiffe://elsewhere/trade"]),
            "a certificate that names spiffe://elsewhere/trade, which is not of the trust domain \
             paymesh",
            AlertDescription::CertificateUnknown,
        ),
        (
            ids(&[]),
            "a certificate that names no SPIFFE id",
            AlertDescription::CertificateUnknown,
        ),
        (
            ids(&["spiffe://paymesh/trade", "spiffe://paymesh/operator"]),
            "a certificate that names 2 URIs where one is allowed",
            AlertDescription::CertificateUnknown,
        ),
        (
            ids(&["https://paymesh/trade"]),
            "a certificate that names \"https://paymesh/trade\", which is no SPIFFE id",
            AlertDescription::CertificateUnknown,
        ),
        (
            own.certify_flawed("trade", other).unwrap(),
            "a certificate that was not issued for this use",
            AlertDescription::UnsupportedCertificate,
        ),
        (
            own.certify_flawed("trade", Flaw::Authority).unwrap(),
            "a certificate that is that of an authority",
            AlertDescription::CertificateUnknown,
        ),
    ]
}

/// What the server noted of the last peer that it refused.
async fn refused(server: &Tls) -> String {
    for _ in 0..100 {
        if let Some((_, why)) = server.view().refused {
            return why;
        }
        sleep(millis(10)).await;
    }
    panic!("nobody was refused");
}

#[tokio::test]
async fn a_server_refuses_what_proves_nothing_and_both_ends_know_why() {
    for world in World::both() {
        let members = Members::of(world);
        let mut cases: Vec<_> = wrong(&members, Flaw::ServerOnly)
            .into_iter()
            .map(|(issued, why, alert)| (Some(issued), why, alert))
            .collect();
        let required = AlertDescription::CertificateRequired;
        cases.push((None, "shows no certificate", required));
        for (shown, why, alert) in cases {
            let server = members.tls("rate");
            let address = members.serve(&server).await;
            let stream = raw::connect(&*members.world.net, &address, shown.as_ref()).await;
            assert_eq!(raw::alert(stream).await, alert, "{why}");
            let noted = refused(&server).await;
            assert!(noted.contains(why), "{noted}");
            // Whoever is in order is served all the same.
            let client = members.client(&address, &members.tls("trade"), None);
            ask(&client, "x").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_refuses_what_proves_nothing_and_says_why() {
    for world in World::both() {
        let members = Members::of(world);
        let own = members.tls("trade");
        for (shown, why, _) in wrong(&members, Flaw::ClientOnly) {
            let address = raw::listen(&*members.world.net, &shown).await;
            let said = trouble(&members.client(&address, &own, None)).await;
            let expected = format!("{address} cannot be reached: {address} shows {why}");
            assert!(said.starts_with(&expected), "{said}");
        }
    }
}

#[tokio::test]
async fn a_server_of_another_name_is_not_called() {
    let members = Members::of(World::memory());
    let address = members.serve(&members.tls("rate")).await;
    let client = members.client(&address, &members.tls("trade"), Some("pay-gateway"));
    let said = trouble(&client).await;
    let expected = "proves to be spiffe://paymesh/rate, and \"pay-gateway\" is expected there";
    assert!(said.ends_with(expected), "{said}");
}

#[tokio::test]
async fn a_client_whose_certificate_is_refused_is_told_why() {
    for world in World::both() {
        let members = Members::of(world);
        let address = members.serve(&members.tls("rate")).await;
        let path = members.folder.path();
        let stranger = Pki::new("other").unwrap();
        let issued = stranger.certify_ids(&["spiffe://paymesh/trade"], HOUR);
        let stranger = loaded(&issued.unwrap().trusting(&members.pki), &path.join("x"));
        let said = trouble(&members.client(&address, &stranger, None)).await;
        let expected = "refuses our certificate (spiffe://paymesh/trade): it does not trust the \
                        authority that issued it";
        assert!(said.ends_with(expected), "{said}");

        // By its own clock it is still valid.
        let over = members.pki.certify("trade", Validity::over()).unwrap();
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        clock.set(SystemClock.now() - HOUR / 2);
        let late = Tls::load_by(&at(&over.write(&path.join("y")).unwrap()), clock).unwrap();
        let said = trouble(&members.client(&address, &late, None)).await;
        assert!(
            said.ends_with("it says that it has expired or is not valid yet"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn an_older_tls_is_spoken_by_neither_end() {
    for world in World::both() {
        let members = Members::of(world);
        let server = members.tls("rate");
        let address = members.serve(&server).await;
        let (net, issued) = (&*members.world.net, members.pki.certify("trade", HOUR));
        let issued = issued.unwrap();
        let connected = raw::connect_by(&[&TLS12], net, &address, Some(&issued)).await;
        let alert = raw::said(&connected.err().unwrap());
        assert_eq!(alert, AlertDescription::ProtocolVersion);
        let noted = refused(&server).await;
        assert!(noted.contains("fails the TLS handshake"), "{noted}");

        let address = raw::listen_by(&[&TLS12], net, &issued).await;
        let said = trouble(&members.client(&address, &members.tls("trade"), None)).await;
        // It is not our certificate that is wrong.
        let expected = "fails the TLS handshake: it says ProtocolVersion";
        assert!(said.ends_with(expected), "{said}");
    }
}

#[tokio::test]
async fn plain_and_secured_do_not_meet() {
    for world in World::both() {
        let members = Members::of(world);
        let server = members.tls("rate");
        let address = members.serve(&server).await;
        let said = trouble(&members.world.client(&address)).await;
        assert!(
            said.contains("speak HTTP/2") && said.ends_with("; it may want TLS"),
            "{said}"
        );
        assert!(refused(&server).await.ends_with("does not speak TLS"));

        let (plain, ..) = members.world.serve(Probe::echo()).await;
        let said = trouble(&members.client(&plain, &members.tls("trade"), None)).await;
        assert!(said.ends_with("does not speak TLS"), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_that_expires_while_running_gets_no_new_connection() {
    let members = Members::of(World::memory());
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let issued = members.pki.certify("rate", HOUR).unwrap();
    let files = issued.write(&members.folder.path().join("rate")).unwrap();
    let rate = Tls::load_by(&at(&files), clock.clone()).unwrap();
    let issued = members.pki.certify("trade", HOUR).unwrap();
    let files = issued.write(&members.folder.path().join("trade")).unwrap();
    let trade = Tls::load_by(&at(&files), clock.clone()).unwrap();
    let address = members.serve(&rate).await;
    let early = members.client(&address, &trade, None);
    ask(&early, "x").await.unwrap();
    clock.advance(HOUR + SECOND);
    let said = trouble(&members.client(&address, &trade, None)).await;
    assert!(
        said.contains("shows a certificate that expired at "),
        "{said}"
    );
    // What was proved stays so for as long as the connection does.
    ask(&early, "x").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_stall_delay_nobody() {
    let members = Members::of(World::memory());
    let server = members.tls("rate");
    let address = members.serve(&server).await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        stalled.push(members.world.net.dial(&address).await.unwrap());
    }
    let begun = Instant::now();
    let client = members.client(&address, &members.tls("trade"), None);
    ask(&client, "x").await.unwrap();
    assert!(begun.elapsed() < millis(50), "{:?}", begun.elapsed());
    // Nor do they last.
    for mut stream in stalled {
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
    let took = begun.elapsed();
    assert!((4 * SECOND..6 * SECOND).contains(&took), "{took:?}");
    let why = refused(&server).await;
    assert!(
        why.ends_with("took too long over the TLS handshake"),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn of_too_many_handshakes_the_oldest_go_and_who_is_in_order_is_served() {
    let members = Members::of(World::memory());
    let server = members.tls("rate");
    let address = members.serve(&server).await;
    let mut stalled = Vec::new();
    for _ in 0..400 {
        stalled.push(members.world.net.dial(&address).await.unwrap());
    }
    let begun = Instant::now();
    let client = members.client(&address, &members.tls("trade"), None);
    ask(&client, "x").await.unwrap();
    assert_eq!(stalled[0].read(&mut [0]).await.unwrap(), 0);
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    let why = refused(&server).await;
    assert!(why.contains("longer than all others"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_is_given_up_like_any_dial() {
    let members = Members::of(World::memory());
    let mut listener = members.world.net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(stream) = listener.accept().await {
            held.push(stream);
        }
    });
    let begun = Instant::now();
    let client = members.client(&address, &members.tls("trade"), None);
    let said = trouble(&client).await;
    assert!(said.ends_with("the dial took too long"), "{said}");
    assert!(begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_there_has_to_be_proved_anew_after_an_hour() {
    let members = Members::of(World::memory());
    let address = members.serve(&members.tls("rate")).await;
    let issued = members.pki.certify("trade", HOUR).unwrap();
    let stream = raw::connect(&*members.world.net, &address, Some(&issued)).await;
    let (calls, connection) = h2::client::handshake(stream).await.unwrap();
    let _: &h2::client::SendRequest<bytes::Bytes> = &calls;
    let begun = Instant::now();
    // A caller that would keep it for ever.
    let _ = connection.await;
    let lasted = begun.elapsed();
    assert!((HOUR..HOUR + 10 * SECOND).contains(&lasted), "{lasted:?}");
    drop(calls);
}

#[tokio::test]
async fn a_drain_under_tls_lets_calls_end() {
    let members = Members::of(World::memory());
    let lifecycle = mesh::Lifecycle::new();
    lifecycle.ready();
    let slow = Probe::new(async |text| {
        sleep(millis(200)).await;
        Ok(text)
    });
    let settings: ServerSettings = open_to_all(&members.tls("rate"));
    let server = members.world.server(settings, &lifecycle).add(slow);
    let (address, ended) = members.world.listen(server).await;
    let client = members.client(&address, &members.tls("trade"), None);
    let call = tokio::spawn(async move { ask(&client, "x").await });
    sleep(millis(100)).await;
    lifecycle.stop();
    assert_eq!(call.await.unwrap().unwrap(), "x");
    assert_eq!(ended.await.unwrap().aborted, 0);
}
