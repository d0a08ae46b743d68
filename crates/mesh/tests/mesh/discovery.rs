//! Names resolved by a DNS server of the test's own, over a real network and in real time.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh::{Client, ClientSettings, Family, Resolve, SystemResolver, reason_of};
use tokio::time::{Instant, sleep};

use crate::fleet::{SECOND, millis, settings};
use crate::nameserver::{NameServer, Say};
use crate::numbered::Numbered;
use crate::probe::{ask, ask_within};

const NAME: &str = "probes.test.";

fn servers(numbers: &[u8]) -> Vec<IpAddr> {
    let ip = |number: &u8| IpAddr::from([10, 0, 0, *number]);
    numbers.iter().map(ip).collect()
}

fn say(numbers: &[u8], seconds: u32) -> Say {
    Say::Addresses(servers(numbers), seconds)
}

async fn ips(dns: &NameServer, host: &str) -> io::Result<BTreeSet<IpAddr>> {
    let found = dns.resolver().resolve(host, 80).await?;
    assert!(found.addresses.iter().all(|address| address.port() == 80));
    Ok(found
        .addresses
        .iter()
        .map(std::net::SocketAddr::ip)
        .collect())
}

#[tokio::test]
async fn every_address_of_a_name_counts_for_as_long_as_it_holds() {
    let dns = NameServer::start().await;
    let mut all = servers(&[1, 2, 3]);
    all.push("fd00::1".parse().unwrap());
    dns.say(NAME, Say::Addresses(all.clone(), 7));
    let found = dns.resolver().resolve(NAME, 80).await.unwrap();
    assert_eq!((found.ttl, found.untold), (Some(7 * SECOND), None));
    assert_eq!(ips(&dns, NAME).await.unwrap(), BTreeSet::from_iter(all));
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_comes_over_tcp() {
    let dns = NameServer::start().await;
    let many: Vec<_> = (1..=200).collect();
    dns.say(NAME, say(&many, 5));
    assert_eq!(ips(&dns, NAME).await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_short_name_is_found_in_the_search_domains_in_their_order() {
    let dns = NameServer::start().await;
    dns.say("trade.svc.cluster.local.", say(&[1], 5));
    assert_eq!(ips(&dns, "trade").await.unwrap().len(), 1);
    let expected = ["trade.pay.svc.cluster.local.", "trade.svc.cluster.local."];
    assert_eq!(dns.asked(), expected);
    // Whole, with fewer dots than ndots: the search domains know nothing of it.
    dns.say("trade.pay.svc.cluster.local.", say(&[2, 3], 5));
    assert_eq!(
        ips(&dns, "trade.pay.svc.cluster.local")
            .await
            .unwrap()
            .len(),
        2
    );
    // With its last dot nothing else is asked for.
    let before = dns.asked().len();
    assert!(ips(&dns, "rate.").await.is_err());
    assert_eq!(dns.asked()[before..], ["rate."]);
}

#[tokio::test]
async fn a_search_domain_that_fails_does_not_hand_over_to_a_stranger() {
    let dns = NameServer::start().await;
    dns.say("trade.pay.svc.cluster.local.", Say::Failure);
    dns.say("trade.cluster.local.", say(&[9], 5));
    let why = ips(&dns, "trade").await.unwrap_err().to_string();
    assert!(why.contains("trade.pay.svc.cluster.local."), "{why}");
    // What is asked for by its whole name is nobody else.
    dns.say("trade.example.com.pay.svc.cluster.local.", Say::Failure);
    dns.say("trade.example.com.", say(&[1], 5));
    assert_eq!(ips(&dns, "trade.example.com").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_family_nobody_could_tell_about_is_named() {
    let dns = NameServer::start().await;
    dns.say(NAME, say(&[1], 5));
    dns.say("probes.test./AAAA", Say::Failure);
    let found = dns.resolver().resolve(NAME, 80).await.unwrap();
    assert_eq!((found.addresses.len(), found.untold), (1, Some(Family::V6)));
    // Of a name without any address a failure is all there is.
    dns.say("probes.test./A", say(&[], 5));
    assert!(ips(&dns, NAME).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_resolved_is_told_apart() {
    let dns = NameServer::start().await;
    let why = |error: io::Error| (error.kind(), error.to_string());
    let (kind, text) = why(ips(&dns, NAME).await.unwrap_err());
    assert_eq!(kind, io::ErrorKind::NotFound);
    assert_eq!(text, "there is no such name: probes.test.");
    dns.say(NAME, say(&[], 5));
    let (kind, text) = why(ips(&dns, NAME).await.unwrap_err());
    assert_eq!(
        (kind, &*text),
        (
            io::ErrorKind::NotFound,
            "there is no such name: probes.test."
        )
    );
    dns.say(NAME, Say::Failure);
    let (_, text) = why(ips(&dns, NAME).await.unwrap_err());
    assert!(
        text.starts_with("probes.test.: ") && text.contains("Server Failure"),
        "{text}"
    );
    for host in ["a..b", "-", &"x".repeat(64)] {
        let (_, text) = why(ips(&dns, host).await.unwrap_err());
        assert!(!text.is_empty(), "{host}");
    }
}

#[tokio::test]
async fn a_server_that_is_silent_is_not_waited_for_long() {
    let dns = NameServer::start().await;
    dns.say(NAME, Say::Silence);
    let begun = Instant::now();
    let why = ips(&dns, NAME).await.unwrap_err();
    assert!(begun.elapsed() < 6 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(why.kind(), io::ErrorKind::TimedOut, "{why}");
}

#[tokio::test]
async fn the_systems_own_names_need_no_server() {
    let found = SystemResolver.resolve("localhost", 80).await.unwrap();
    assert!(
        found
            .addresses
            .iter()
            .all(|address| address.ip().is_loopback())
    );
    assert!(!found.addresses.is_empty());
}

fn client(servers: &Numbered, dns: &NameServer) -> Client {
    servers.client(ClientSettings {
        resolver: Arc::new(dns.resolver()),
        ..settings("dns:///probes.test.:80")
    })
}

/// Until it is so; the test fails when it does not come to that within a time.
async fn until(within: Duration, mut so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < within, "not within {within:?}");
        sleep(millis(20)).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_changed_answer_is_seen_when_the_old_one_is_over() {
    let (servers, dns) = (Numbered::start(3).await, NameServer::start().await);
    dns.say(NAME, say(&[1, 2], 2));
    let client = client(&servers, &dns);
    assert_eq!(servers.called(&client).await, BTreeSet::from([1, 2]));
    // The first call has hurried the lookup; from here on only time does.
    sleep(SECOND).await;
    dns.say(NAME, say(&[2, 3], 2));
    let changed = async || servers.called(&client).await == BTreeSet::from([2, 3]);
    let took = until(5 * SECOND, changed).await;
    // Nothing is wrong, and so nobody asks before that.
    assert!(took > millis(500), "{took:?}");
}

#[tokio::test]
async fn whatever_dns_says_or_does_not_say_the_last_good_answer_stands() {
    let (servers, dns) = (Numbered::start(3).await, NameServer::start().await);
    dns.say(NAME, say(&[1, 2], 1));
    let client = client(&servers, &dns);
    let both = BTreeSet::from([1, 2]);
    assert_eq!(servers.called(&client).await, both);
    for trouble in [
        Some(Say::Failure),
        None,
        Some(say(&[], 1)),
        Some(Say::Silence),
    ] {
        match trouble {
            Some(say) => dns.say(NAME, say),
            None => dns.forget(NAME),
        }
        sleep(millis(1500)).await;
        assert_eq!(servers.called(&client).await, both);
    }
    dns.say(NAME, say(&[3], 1));
    let back = async || servers.called(&client).await == BTreeSet::from([3]);
    until(10 * SECOND, back).await;
}

#[tokio::test]
async fn a_name_nobody_knows_is_named_and_found_soon_after_it_is_there() {
    let (servers, dns) = (Numbered::start(1).await, NameServer::start().await);
    let client = client(&servers, &dns);
    let status = ask(&client, "x").await.unwrap_err();
    let expected = "dns:///probes.test.:80 cannot be reached: \
                    probes.test.:80 cannot be resolved: there is no such name: probes.test.";
    assert_eq!(status.message(), expected);
    assert_eq!(reason_of(&status).as_deref(), Some("PEER_UNAVAILABLE"));
    dns.say(NAME, say(&[1], 30));
    let there = async || ask_within(&client, "x", SECOND).await.is_ok();
    let took = until(3 * SECOND, there).await;
    assert!(took < 2 * SECOND, "{took:?}");
}

#[cfg(not(feature = "kubernetes"))]
#[tokio::test]
async fn a_build_without_kubernetes_says_so() {
    let world = crate::probe::World::memory();
    let settings = settings("kubernetes:///trade.pay:grpc");
    let refused = Client::new(settings, world.net, world.policies).unwrap_err();
    let why = refused.to_string();
    assert!(why.contains("kubernetes:///trade.pay:grpc"), "{why}");
    assert!(why.contains("feature `kubernetes`"), "{why}");
}
