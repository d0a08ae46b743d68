//! grpcurl needs no proto files: both reflections answer, and show method options.

use futures::stream;
use mesh::{Client, Lifecycle, ServerSettings};
use tonic_reflection::pb::{v1, v1alpha};

use crate::probe::{Probe, World};

/// Stands for a service that the descriptors know.
#[derive(Clone)]
struct Known(Probe);

impl tonic::server::NamedService for Known {
    const NAME: &'static str = "paymesh.trade.v1.TradeService";
}

impl tonic::codegen::Service<tonic::codegen::http::Request<tonic::body::Body>> for Known {
    type Response = tonic::codegen::http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, call: tonic::codegen::http::Request<tonic::body::Body>) -> Self::Future {
        self.0.call(call)
    }
}

async fn served(settings: ServerSettings) -> Client {
    let world = World::memory();
    let server = world
        .server(settings, &Lifecycle::new())
        .add(Known(Probe::echo()));
    let (address, _) = world.listen(server).await;
    world.client(&address)
}

const SHOWN: [&str; 4] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "paymesh.trade.v1.TradeService",
];

macro_rules! lists_services {
    ($client:expr, $version:ident, $own:expr) => {{
        use $version::server_reflection_client::ServerReflectionClient;
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;
        let asked = [MessageRequest::ListServices(String::new())].map(|request| {
            $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(request),
            }
        });
        let mut client = ServerReflectionClient::new($client);
        let answers = client
            .server_reflection_info(stream::iter(asked))
            .await
            .unwrap();
        let answer = answers.into_inner().message().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("{answer:?}")
        };
        let mut names: Vec<_> = list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        names.sort();
        let other = SHOWN
            .iter()
            .filter(|name| !name.contains("reflection") || **name == $own);
        assert_eq!(names, other.copied().collect::<Vec<_>>());
    }};
}

#[tokio::test]
async fn both_versions_list_what_is_served_here() {
    let client = served(ServerSettings::new("probe")).await;
    lists_services!(client.clone(), v1, SHOWN[1]);
    lists_services!(client, v1alpha, SHOWN[2]);
}

#[tokio::test]
async fn a_service_is_shown_with_its_policies() {
    use prost_reflect::DescriptorPool;
    use v1::server_reflection_client::ServerReflectionClient;
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;

    let mut client = ServerReflectionClient::new(served(ServerSettings::new("probe")).await);
    let mut pool = DescriptorPool::new();
    for file in [
        "google/protobuf/descriptor.proto",
        "google/protobuf/duration.proto",
        "paymesh/mesh/v1/policy.proto",
        "google/protobuf/timestamp.proto",
        "paymesh/shop/v1/pay_type.proto",
        "paymesh/trade/v1/trade.proto",
    ] {
        let asked = v1::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::FileByFilename(file.to_owned())),
        };
        let answers = client
            .server_reflection_info(stream::iter([asked]))
            .await
            .unwrap();
        let answer = answers.into_inner().message().await.unwrap().unwrap();
        let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
            panic!("{file}: {answer:?}")
        };
        for bytes in files.file_descriptor_proto {
            pool.decode_file_descriptor_proto(&bytes[..]).unwrap();
        }
    }
    let service = pool
        .get_service_by_name("paymesh.trade.v1.TradeService")
        .unwrap();
    let policy = pool
        .get_extension_by_name("paymesh.mesh.v1.policy")
        .unwrap();
    assert!(
        service
            .methods()
            .all(|method| method.options().has_extension(&policy))
    );
}

#[tokio::test]
async fn reflection_can_be_switched_off() {
    use v1::server_reflection_client::ServerReflectionClient;
    let settings = ServerSettings {
        reflection: false,
        ..ServerSettings::new("probe")
    };
    let mut client = ServerReflectionClient::new(served(settings).await);
    let refused = client
        .server_reflection_info(stream::iter([]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
}
