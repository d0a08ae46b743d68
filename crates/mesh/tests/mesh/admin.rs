//! What operators see: readiness, and metrics under the usual names.

use mesh::{Directory, Explain, Lifecycle, install_metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::probe::{Probe, World, ask};

pub(crate) async fn get(world: &World, address: &str, path: &str) -> String {
    let mut stream = world.net.dial(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

pub(crate) async fn admin(world: &World, lifecycle: &Lifecycle) -> String {
    let listener = world.net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(mesh::admin::serve(
        listener,
        lifecycle.clone(),
        install_metrics().unwrap(),
        Explain::new(Directory::default(), world.policies.clone()),
    ));
    address
}

#[tokio::test]
async fn readiness_follows_the_lifecycle_and_liveness_does_not() {
    for world in World::both() {
        let lifecycle = Lifecycle::new();
        let address = admin(&world, &lifecycle).await;
        let status = async |path| {
            let answer = get(&world, &address, path).await;
            answer.split(' ').nth(1).unwrap().to_owned()
        };
        assert_eq!(status("/readyz").await, "503");
        lifecycle.ready();
        assert_eq!(status("/readyz").await, "200");
        lifecycle.stop();
        assert_eq!(status("/readyz").await, "503");
        assert_eq!(status("/livez").await, "200");
        assert_eq!(status("/no-such").await, "404");
    }
}

#[tokio::test]
async fn calls_are_exposed_under_the_usual_names() {
    let world = World::memory();
    let address = admin(&world, &Lifecycle::new()).await;
    let (served, ..) = world
        .serve(Probe::new(async |_| panic!("on purpose")))
        .await;
    let client = world.client(&served);
    HealthClient::new(client.clone())
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    ask(&client, "x").await.unwrap_err();

    let shown = get(&world, &address, "/metrics").await;
    let check = "grpc_service=\"grpc.health.v1.Health\",grpc_method=\"Check\"";
    for side in ["server", "client"] {
        for expected in [
            format!("grpc_{side}_started_total{{grpc_type=\"unary\",{check}}}"),
            format!("grpc_{side}_handled_total{{grpc_type=\"unary\",{check},grpc_code=\"OK\"}}"),
            format!("grpc_{side}_handling_seconds_bucket{{grpc_type=\"unary\",{check},le=\"1\"}}"),
            // Methods that no descriptor knows share one name.
            "grpc_service=\"unknown\",grpc_method=\"unknown\",grpc_code=\"Internal\"".to_owned(),
        ] {
            assert!(shown.contains(&expected), "no {expected} in\n{shown}");
        }
    }
    assert!(shown.contains("mesh_panics_total{"), "{shown}");
}
