//! A gRPC client that knows nothing of the protos: reflection tells it, as it tells grpcurl.

use futures::stream;
use mesh::Client;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::FileDescriptorProto;
use serde_json::{Deserializer, Value};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use tonic_reflection::pb;

/// Which reflection is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Version {
    V1,
    V1Alpha,
}

/// A server that is known by reflection only.
pub(crate) struct Reflected {
    client: Client,
    version: Version,
}

enum Ask {
    Services,
    Symbol(String),
    File(String),
}

enum Told {
    Services(Vec<String>),
    Files(Vec<Vec<u8>>),
}

// The two versions are the same in all but their names.
macro_rules! ask {
    ($client:expr, $version:ident, $ask:expr) => {{
        use pb::$version::server_reflection_client::ServerReflectionClient;
        use pb::$version::server_reflection_request::MessageRequest;
        use pb::$version::server_reflection_response::MessageResponse;
        let asked = match $ask {
            Ask::Services => MessageRequest::ListServices(String::new()),
            Ask::Symbol(symbol) => MessageRequest::FileContainingSymbol(symbol),
            Ask::File(file) => MessageRequest::FileByFilename(file),
        };
        let request = pb::$version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(asked),
        };
        let mut client = ServerReflectionClient::new($client);
        let answers = client
            .server_reflection_info(stream::iter([request]))
            .await
            .unwrap();
        match answers
            .into_inner()
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap()
        {
            MessageResponse::ListServicesResponse(list) => Told::Services(
                list.service
                    .into_iter()
                    .map(|service| service.name)
                    .collect(),
            ),
            MessageResponse::FileDescriptorResponse(files) => Told::Files(
                files
                    .file_descriptor_proto
                    .into_iter()
                    .map(Vec::from)
                    .collect(),
            ),
            other => panic!("{other:?}"),
        }
    }};
}

impl Reflected {
    pub(crate) fn new(client: Client, version: Version) -> Self {
        Self { client, version }
    }

    /// The names of the services it serves.
    pub(crate) async fn services(&self) -> Vec<String> {
        match self.ask(Ask::Services).await {
            Told::Services(names) => names,
            Told::Files(_) => panic!("files were not asked for"),
        }
    }

    /// The names of a service's methods.
    pub(crate) async fn methods(&self, service: &str) -> Vec<String> {
        let pool = self.pool(service).await;
        let service = pool.get_service_by_name(service).unwrap();
        service
            .methods()
            .map(|method| method.name().to_owned())
            .collect()
    }

    /// Calls `SERVICE/METHOD` with a request in JSON; answers in JSON.
    pub(crate) async fn call(&self, method: &str, json: &str) -> Result<Value, Status> {
        let (service, name) = method.split_once('/').unwrap();
        let pool = self.pool(service).await;
        let service = pool.get_service_by_name(service).unwrap();
        let called = service
            .methods()
            .find(|method| method.name() == name)
            .unwrap();
        let mut text = Deserializer::from_str(json);
        let request = DynamicMessage::deserialize(called.input(), &mut text).unwrap();
        text.end().unwrap();
        let mut grpc = Grpc::new(self.client.clone());
        grpc.ready().await.unwrap();
        let path = format!("/{method}").parse().unwrap();
        let answer = grpc
            .unary(Request::new(request), path, Dynamic(called.output()))
            .await?;
        Ok(serde_json::to_value(answer.into_inner()).unwrap())
    }

    /// The file that has the symbol, and all that it imports.
    async fn pool(&self, symbol: &str) -> DescriptorPool {
        let mut files: Vec<FileDescriptorProto> = Vec::new();
        let mut asks = vec![Ask::Symbol(symbol.to_owned())];
        while let Some(ask) = asks.pop() {
            let Told::Files(told) = self.ask(ask).await else {
                panic!("files were asked for")
            };
            for file in told {
                let file = FileDescriptorProto::decode(&file[..]).unwrap();
                if files.iter().any(|known| known.name == file.name) {
                    continue;
                }
                asks.extend(file.dependency.iter().cloned().map(Ask::File));
                files.push(file);
            }
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files).unwrap();
        pool
    }

    async fn ask(&self, ask: Ask) -> Told {
        match self.version {
            Version::V1 => ask!(self.client.clone(), v1, ask),
            Version::V1Alpha => ask!(self.client.clone(), v1alpha, ask),
        }
    }
}

/// Messages of a type that is known only now.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let decoded = DynamicMessage::decode(self.0.clone(), buffer);
        decoded
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
