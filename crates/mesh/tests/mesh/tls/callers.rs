//! Every RPC there is, called under every name there is: the method's `callers` decide.

use std::future::ready;

use futures::{StreamExt, stream};
use http::uri::PathAndQuery;
use mesh::{Client, ServerSettings, reason_of};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use proto::task::v1::RunTaskRequest;
use proto::task::v1::task_service_client::TaskServiceClient;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use super::{Members, lists};
use crate::probe::World;

const NAMES: [&str; 10] = [
    "client",
    "operator",
    "pay-gateway",
    "rate",
    "sandbox",
    "shop-center",
    "subscribers",
    "task",
    "trade",
    "stranger",
];

/// Calls with an empty message; the answer's status.
async fn call(client: &Client, path: &str) -> Status {
    let mut grpc = tonic::client::Grpc::new(client.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<(), ()>::default();
    let path = PathAndQuery::try_from(path).unwrap();
    match grpc.unary(Request::new(()), path, codec).await {
        Ok(_) => Status::ok(""),
        Err(status) => status,
    }
}

fn methods() -> Vec<(String, Vec<String>)> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let option = pool
        .get_extension_by_name("paymesh.mesh.v1.policy")
        .unwrap();
    let callers = |method: &MethodDescriptor| {
        let options = method.options();
        let policy = options.get_extension(&option);
        let policy = policy.as_message().unwrap();
        let callers = policy.get_field_by_name("callers").unwrap();
        let callers = callers.as_list().unwrap().iter();
        callers
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(|service| {
        service.methods().map(|method| {
            let path = format!("/{}/{}", service.full_name(), method.name());
            (path, callers(&method))
        })
    });
    methods.collect()
}

// Nothing is served there: who is let through is told so.
fn is_let_through(status: &Status, what: &str) -> bool {
    match (status.code(), reason_of(status).as_deref()) {
        (Code::Unimplemented, _) => true,
        (Code::PermissionDenied, Some("CALLER_NOT_ALLOWED")) => false,
        other => panic!("{what}: {other:?} {}", status.message()),
    }
}

#[tokio::test]
async fn each_method_is_for_the_callers_that_it_names_and_for_nobody_else() {
    let members = Members::of(World::memory());
    let address = members.serve(&members.tls("server")).await;
    let methods = methods();
    assert!(methods.len() > 50, "{}", methods.len());
    let mut counts = [0, 0];
    for name in NAMES {
        let client = members.client(&address, &members.tls(name), None);
        for (path, callers) in &methods {
            let may = callers.iter().any(|caller| caller == name);
            let what = format!("{name} {path}");
            let through = is_let_through(&call(&client, path).await, &what);
            assert_eq!(through, may, "{what}");
            counts[usize::from(may)] += 1;
        }
    }
    assert!(counts[0] > 300 && counts[1] > 50, "{counts:?}");
}

#[tokio::test]
async fn health_is_open_to_every_name_and_reflection_to_operators() {
    const HEALTH: &str = "/grpc.health.v1.Health/Check";
    const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let members = Members::of(World::memory());
    let address = members.serve(&members.tls("server")).await;
    for name in ["stranger", "operator"] {
        let client = members.client(&address, &members.tls(name), None);
        assert_eq!(call(&client, HEALTH).await.code(), Code::Ok);
        let status = call(&client, REFLECTION).await;
        let denied = reason_of(&status).as_deref() == Some("CALLER_NOT_ALLOWED");
        assert_eq!(denied, name == "stranger", "{status:?}");
    }
}

#[tokio::test]
async fn configuration_decides_over_the_method() {
    const GET: &str = "/paymesh.shop.v1.ShopService/GetShop";
    const CREATE: &str = "/paymesh.shop.v1.ShopService/CreateShop";
    let members = Members::of(World::memory());
    let settings = ServerSettings {
        tls: Some(members.tls("server")),
        callers: lists(&[
            (&GET[1..], &["till"]),
            ("paymesh.shop.v1.ShopService", &["till", "trade"]),
        ]),
        ..ServerSettings::new("probe")
    };
    let address = members.serve_as(settings).await;
    for (name, get, create) in [
        ("till", true, true),
        ("trade", false, true),
        ("operator", false, false),
    ] {
        let client = members.client(&address, &members.tls(name), None);
        for (path, may) in [(GET, get), (CREATE, create)] {
            let through = is_let_through(&call(&client, path).await, name);
            assert_eq!(through, may, "{name} {path}");
        }
    }
}

#[tokio::test]
async fn a_refused_stream_ends_with_the_refusal_before_any_answer() {
    let members = Members::of(World::memory());
    let address = members.serve(&members.tls("server")).await;
    let client = members.client(&address, &members.tls("stranger"), None);
    let name = "x".repeat(10_000);
    let mut tasks = TaskServiceClient::new(client.clone());
    let answers = tasks.run_task(RunTaskRequest { name }).await;
    let one = answers.unwrap_err();
    let mut shown = ServerReflectionClient::new(client);
    // It never says that it has asked all it wants to.
    let asks = stream::once(ready(ServerReflectionRequest::default())).chain(stream::pending());
    let both = shown.server_reflection_info(asks).await.unwrap_err();
    for (status, method) in [
        (one, "paymesh.task.v1.TaskService/RunTask"),
        (
            both,
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ),
    ] {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("CALLER_NOT_ALLOWED"));
        let expected = format!("stranger is not among the callers of {method}");
        assert_eq!(status.message(), expected);
    }
}
