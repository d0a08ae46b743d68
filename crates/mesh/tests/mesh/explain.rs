//! What explain tells about peers in trouble, over the admin port as an operator asks.

use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use mesh::{
    Client, ClientSettings, Directory, Explain, Lifecycle, ServerSettings, Tls, TlsSettings,
    install_metrics,
};
use pki::{Files, Pki};
use proto::mesh::v1::explain_service_client::ExplainServiceClient;
use proto::mesh::v1::{
    AddressSource, BreakerState, Endpoint, EndpointState, ExplainRequest, ExplainResponse, Peer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::fleet::{Fleet, Names, SECOND, broken, client, load, millis, quick, settings, slow};
use crate::probe::{Probe, World, ask};

/// A world whose clients can be explained.
struct Seen {
    world: World,
    directory: Directory,
    admin: String,
}

impl Seen {
    async fn new(world: World) -> Self {
        let directory = Directory::default();
        let listener = world.net.listen("127.0.0.1:0").await.unwrap();
        let admin = listener.address().to_string();
        tokio::spawn(mesh::admin::serve(
            listener,
            Lifecycle::new(),
            install_metrics().unwrap(),
            Explain::new(directory.clone(), world.policies.clone()),
        ));
        Self {
            world,
            directory,
            admin,
        }
    }

    fn client(&self, target: &str) -> Client {
        self.with(settings(target))
    }

    fn with(&self, settings: ClientSettings) -> Client {
        let directory = self.directory.clone();
        client(
            &self.world,
            ClientSettings {
                directory,
                ..settings
            },
        )
    }

    async fn told(&self, words: &[&str]) -> ExplainResponse {
        let request = ExplainRequest {
            services: words.iter().map(|&word| word.to_owned()).collect(),
        };
        let mut explain = ExplainServiceClient::new(self.world.client(&self.admin));
        explain.explain(request).await.unwrap().into_inner()
    }

    async fn peer(&self) -> Peer {
        let told = self.told(&[]).await;
        <[Peer; 1]>::try_from(told.peers)
            .unwrap()
            .into_iter()
            .next()
            .unwrap()
    }

    async fn endpoint(&self) -> Endpoint {
        self.peer().await.endpoints.remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_resolved_is_shown_with_what_the_resolver_says() {
    let seen = Seen::new(World::memory()).await;
    let names = Arc::new(Names::default());
    let client = seen.with(ClientSettings {
        resolver: names.clone(),
        ..settings("dns:///probes.test:80")
    });
    ask(&client, "x").await.unwrap_err();
    let peer = seen.peer().await;
    assert_eq!((peer.source(), peer.found_ago), (AddressSource::Dns, None));
    assert!(
        peer.error
            .starts_with("probes.test:80 cannot be resolved: "),
        "{}",
        peer.error
    );
    assert_eq!(peer.endpoints, []);
    // Found, and nothing is wrong any longer.
    names.say(Some(&["127.0.0.1:80".parse().unwrap()]));
    sleep(31 * SECOND).await;
    let peer = seen.peer().await;
    assert!(
        peer.found_ago.is_some() && peer.error.is_empty(),
        "{peer:?}"
    );
    assert_eq!(peer.endpoints[0].address, "127.0.0.1:80");
}

#[tokio::test(start_paused = true)]
async fn a_refused_dial_is_shown_with_its_address() {
    let seen = Seen::new(World::memory()).await;
    let client = seen.client("static:///127.0.0.1:9");
    ask(&client, "x").await.unwrap_err();
    let endpoint = seen.endpoint().await;
    assert_eq!(endpoint.state(), EndpointState::Unreachable);
    assert_eq!(
        endpoint.reason,
        "127.0.0.1:9: connection refused; dialled again"
    );
    assert!(endpoint.pick.starts_with("not picked"), "{}", endpoint.pick);
    assert_eq!(endpoint.failures[0].what, "127.0.0.1:9: connection refused");
    assert_eq!(endpoint.connections, []);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_http2_is_shown_as_such() {
    let seen = Seen::new(World::memory()).await;
    let mut listener = seen.world.net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap();
            let mut some = [0; 24];
            stream.read_exact(&mut some).await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let client = seen.client(&address);
    ask(&client, "x").await.unwrap_err();
    let peer = seen.told(&[&address]).await.peers.remove(0);
    let endpoint = &peer.endpoints[0];
    assert_eq!(endpoint.state(), EndpointState::Unreachable);
    let expected = format!("{address} does not speak HTTP/2: ");
    assert!(
        endpoint.reason.starts_with(&expected),
        "{}",
        endpoint.reason
    );
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_does_not_match_is_shown_with_both_names() {
    let seen = Seen::new(World::memory()).await;
    let (pki, folder) = (Pki::new("paymesh").unwrap(), tempfile::tempdir().unwrap());
    let tls = |name: &str| {
        let issued = pki.certify(name, Duration::from_hours(1)).unwrap();
        let Files { cert, key, ca } = issued.write(&folder.path().join(name)).unwrap();
        Tls::load(&TlsSettings::new(cert, key, ca, "paymesh")).unwrap()
    };
    let secured = ServerSettings {
        tls: Some(tls("rate")),
        ..ServerSettings::new("probe")
    };
    let server = seen.world.server(secured, &Lifecycle::new());
    let (address, _) = seen.world.listen(server.add(Probe::echo())).await;
    let client = seen.with(ClientSettings {
        tls: Some(tls("trade")),
        peer: Some("pay-gateway".to_owned()),
        ..settings(&address)
    });
    ask(&client, "x").await.unwrap_err();
    let told = seen.told(&["pay-gateway"]).await;
    let endpoint = &told.peers[0].endpoints[0];
    assert_eq!(endpoint.state(), EndpointState::Unreachable);
    for name in ["spiffe://paymesh/rate", "pay-gateway"] {
        assert!(endpoint.reason.contains(name), "{}", endpoint.reason);
    }
    let identity = told.tls.unwrap();
    assert_eq!(identity.identity, "spiffe://paymesh/trade");
    assert!(identity.expires_at.unwrap().seconds > identity.loaded_at.unwrap().seconds);
}

#[tokio::test(start_paused = true)]
async fn an_ejected_endpoint_is_shown_with_why_and_until_when() {
    let fleet = Fleet::start(World::memory(), vec![quick, broken]).await;
    let seen = Seen::new(fleet.world.clone()).await;
    let client = seen.client(&fleet.target());
    load(&client, 4, SECOND).await;
    let peer = seen.peer().await;
    assert_eq!(peer.source(), AddressSource::Static);
    let endpoint = |address: &str| peer.endpoints.iter().find(|one| one.address == address);
    let ejected = endpoint(&fleet.addresses[1]).unwrap();
    assert_eq!(ejected.state(), EndpointState::Ejected);
    let breaker = ejected.breaker.as_ref().unwrap();
    assert!(breaker.ejections >= 1, "{breaker:?}");
    assert_ne!(breaker.state(), BreakerState::Closed);
    assert!(ejected.reason.contains("failures in a row") || ejected.reason.contains("find out"));
    assert_eq!(
        ejected.failures[0].what.split(',').next(),
        Some("UNAVAILABLE")
    );
    let well = endpoint(&fleet.addresses[0]).unwrap();
    assert_eq!((well.state(), &*well.reason), (EndpointState::Ready, ""));
    assert!(
        well.calls > ejected.calls && well.connections.len() == 1,
        "{well:?}"
    );
    assert!(peer.retry_budget.unwrap().most_permille > 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_endpoint_is_shown_with_why_it_is_not_picked() {
    let fleet = Fleet::start(World::memory(), vec![quick, slow, quick]).await;
    let seen = Seen::new(fleet.world.clone()).await;
    let client = seen.client(&fleet.target());
    load(&client, 4, 12 * SECOND).await;
    let peer = seen.peer().await;
    let slow = peer
        .endpoints
        .iter()
        .find(|one| one.address == fleet.addresses[1])
        .unwrap();
    assert_eq!(slow.state(), EndpointState::Ready);
    assert!(
        slow.pick
            .starts_with("not picked when compared with a lighter one"),
        "{}",
        slow.pick
    );
    assert!(
        slow.pick.contains("it takes ") && slow.pick.contains("ms"),
        "{}",
        slow.pick
    );
    let best = peer.endpoints.iter().min_by_key(|one| one.load).unwrap();
    assert!(
        best.pick.starts_with("picked") && best.calls > 20 * slow.calls,
        "{best:?} {slow:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_has_gone_is_shown_until_its_calls_end() {
    let fleet = Fleet::start(World::memory(), vec![slow, quick]).await;
    let seen = Seen::new(fleet.world.clone()).await;
    let (ports, names) = (fleet.ports(), Arc::new(Names::default()));
    names.say(Some(&ports[..1]));
    let client = seen.with(ClientSettings {
        resolver: names.clone(),
        refresh: millis(600),
        ..settings("dns:///probes.test:80")
    });
    ask(&client, "x").await.unwrap();
    names.say(Some(&ports[1..]));
    let mut stream = crate::probe::open(&client, 60 * SECOND).await.unwrap();
    stream.message().await.unwrap();
    sleep(2 * SECOND).await;
    let states = |peer: Peer| -> Vec<_> { peer.endpoints.iter().map(Endpoint::state).collect() };
    assert_eq!(
        states(seen.peer().await),
        [EndpointState::Ready, EndpointState::Gone]
    );
    drop(stream);
    sleep(millis(10)).await;
    assert_eq!(states(seen.peer().await), [EndpointState::Ready]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_and_places_that_are_taken_are_counted() {
    let seen = Seen::new(World::memory()).await;
    let lifecycle = Lifecycle::new();
    lifecycle.ready();
    let settings = ServerSettings {
        directory: seen.directory.clone(),
        ..ServerSettings::new("probe")
    };
    let server = seen.world.server(settings, &lifecycle).add(slow());
    let (address, _) = seen.world.listen(server).await;
    let client = seen.client(&address);
    ask(&client, "x").await.unwrap();
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, "x").await })
        })
        .collect();
    sleep(millis(100)).await;
    let told = seen.told(&[]).await;
    let server = &told.servers[0];
    assert_eq!(
        (&*server.name, server.address == address, server.ready),
        ("probe", true, true)
    );
    assert_eq!((server.in_flight, server.services.len()), (3, 1));
    let work = server
        .limits
        .iter()
        .find(|limit| limit.name == "work")
        .unwrap();
    assert_eq!((work.taken, work.most), (3, 1000));
    let endpoint = &told.peers[0].endpoints[0];
    assert_eq!((endpoint.pending, endpoint.connections[0].streams), (3, 3));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    lifecycle.stop();
    sleep(5 * SECOND).await;
    assert_eq!(seen.told(&[]).await.servers, []);
}

#[tokio::test]
async fn the_admin_port_answers_probes_and_reflection_over_grpc() {
    for world in World::both() {
        let seen = Seen::new(world).await;
        let admin = seen.world.client(&seen.admin);
        let mut health = HealthClient::new(admin.clone());
        let asked = |service: &str| HealthCheckRequest {
            service: service.to_owned(),
        };
        // It has not started yet.
        let answer = health.check(asked("")).await.unwrap().into_inner();
        assert_eq!(answer.status().as_str_name(), "NOT_SERVING");
        assert!(health.check(asked("mesh.test.Probe")).await.is_err());
        let settings = ServerSettings {
            directory: seen.directory.clone(),
            ..ServerSettings::new("probe")
        };
        let server = seen
            .world
            .server(settings, &Lifecycle::new())
            .add(Probe::echo());
        let (address, _) = seen.world.listen(server).await;
        drop(seen.world.net.dial(&address).await.unwrap());
        let answer = health.check(asked("mesh.test.Probe")).await;
        assert!(answer.is_ok(), "{answer:?}");
        let shown = reflected(admin).await;
        let explain = "paymesh.mesh.v1.ExplainService";
        assert!(shown.iter().any(|name| name == explain), "{shown:?}");
    }
}

async fn reflected(client: Client) -> Vec<String> {
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(client);
    let answers = client.server_reflection_info(stream::iter([asked])).await;
    let answer = answers
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}")
    };
    list.service
        .into_iter()
        .map(|service| service.name)
        .collect()
}
