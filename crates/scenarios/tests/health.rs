//! Health through the whole assembly: nothing serves before it is ready, nor while it drains.

use std::time::Duration;

use paymesh::cli::Service;
use scenarios::{Process, SERVICES, TestMesh, Workers};
use testkit::ENGINES;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

fn asked(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

fn served_by(service: Service) -> &'static [&'static str] {
    match service {
        Service::ShopCenter => &["paymesh.shop.v1.ShopService"],
        Service::Rate => &["paymesh.rate.v1.RateService"],
        Service::Trade => &[
            "paymesh.trade.v1.TradeService",
            "paymesh.task.v1.TaskService",
        ],
        Service::PayGateway => &[
            "paymesh.gateway.v1.PaymentService",
            "paymesh.feed.v1.FeedService",
            "paymesh.task.v1.TaskService",
        ],
    }
}

#[tokio::test]
async fn nobody_serves_before_it_is_ready() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        for service in SERVICES {
            mesh.stop(service).await;
            let what = (service, Workers::Off);
            let process = Process::start_unready(mesh.config(), mesh.net(), what).await;
            let mut health = HealthClient::new(mesh.client(service.name()));
            let names = ["", served_by(service)[0]];
            for name in names {
                let status = health
                    .check(asked(name))
                    .await
                    .unwrap()
                    .into_inner()
                    .status();
                assert_eq!(
                    status,
                    ServingStatus::NotServing,
                    "{} {name:?}",
                    service.name()
                );
            }
            process.ground().lifecycle.ready();
            for name in ["", "grpc.health.v1.Health"]
                .iter()
                .chain(served_by(service))
            {
                let checked = health.check(asked(name)).await;
                if name.starts_with("grpc.") {
                    assert_eq!(checked.unwrap_err().code(), tonic::Code::NotFound);
                } else {
                    assert_eq!(
                        checked.unwrap().into_inner().status(),
                        ServingStatus::Serving
                    );
                }
            }
            process.stop().await;
            mesh.start_again(service, Workers::Off).await;
        }
    }
}

#[tokio::test]
async fn whoever_watches_is_told_before_the_door_is_shut() {
    for engine in ENGINES {
        let mut mesh = TestMesh::start(engine).await;
        for service in SERVICES {
            let mut watches = Vec::new();
            for name in [""].iter().chain(served_by(service)) {
                let mut health = HealthClient::new(mesh.client(service.name()));
                let mut watch = health.watch(asked(name)).await.unwrap().into_inner();
                let first = watch.message().await.unwrap().unwrap();
                assert_eq!(first.status(), ServingStatus::Serving);
                watches.push(watch);
            }
            let lifecycle = mesh.process(service).ground().lifecycle.clone();
            lifecycle.stop();
            for watch in &mut watches {
                let told = tokio::time::timeout(Duration::from_secs(5), watch.message()).await;
                let told = told.unwrap().unwrap().unwrap();
                assert_eq!(
                    told.status(),
                    ServingStatus::NotServing,
                    "{}",
                    service.name()
                );
            }
            drop(watches);
            mesh.stop(service).await;
        }
    }
}
