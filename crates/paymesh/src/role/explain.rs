//! `paymesh explain SERVICE`: what a process's mesh knows, asked on its admin port.

mod table;

use std::io::{ErrorKind, Write, stdout};
use std::sync::Arc;
use std::time::Duration;

use ::mesh::{Client, ClientSettings, Context, reason_of};
use clap::ValueEnum;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use proto::mesh::v1::explain_service_client::ExplainServiceClient;
use proto::mesh::v1::{ExplainRequest, ExplainResponse};
use seam::net::Tcp;

use crate::cli::Service;
use crate::failure::Failure;
use crate::ground::policies;

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks at this address, about a service or about all; prints tables, or JSON.
pub async fn run(service: Option<&str>, address: &str, json: bool) -> Result<(), Failure> {
    let told = ask(words(service), address).await?;
    let text = if json {
        as_json(&told)?
    } else {
        table::all(&told)
    };
    match writeln!(stdout(), "{text}") {
        // Who reads it has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| Failure::new("EXPLAIN_FAILED", e)),
    }
}

async fn ask(services: Vec<String>, address: &str) -> Result<ExplainResponse, Failure> {
    let settings = ClientSettings::new("operator", address);
    let client = Client::new(settings, Arc::new(Tcp), policies()?)?;
    let mut explain = ExplainServiceClient::new(client);
    let asked = explain.explain(ExplainRequest { services });
    let told = Context::background(PATIENCE).scope(asked).await;
    let told = told.map_err(|status| {
        let reason = reason_of(&status).unwrap_or_else(|| status.code().to_string());
        let text = format!(
            "{address}: {reason}: {}; it must be an admin port (listen.admin)",
            status.message()
        );
        Failure::new("EXPLAIN_FAILED", text)
    })?;
    Ok(told.into_inner())
}

// A service of ours is known by its name, and by its package.
fn words(service: Option<&str>) -> Vec<String> {
    let Some(name) = service else {
        return Vec::new();
    };
    let package = Service::from_str(name, true)
        .ok()
        .map(|service| match service {
            Service::ShopCenter => "paymesh.shop.",
            Service::Rate => "paymesh.rate.",
            Service::Trade => "paymesh.trade.",
            Service::PayGateway => "paymesh.gateway.",
        });
    let package = package.map(str::to_owned);
    [name.to_owned()].into_iter().chain(package).collect()
}

fn as_json(told: &ExplainResponse) -> Result<String, Failure> {
    let failed = |error: String| Failure::new("EXPLAIN_FAILED", error);
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).map_err(|e| failed(e.to_string()))?;
    let kind = pool.get_message_by_name("paymesh.mesh.v1.ExplainResponse");
    let kind = kind.ok_or_else(|| failed("the answer is not described".to_owned()))?;
    let message = DynamicMessage::decode(kind, &told.encode_to_vec()[..]);
    let message = message.map_err(|e| failed(e.to_string()))?;
    serde_json::to_string_pretty(&message).map_err(|e| failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::mesh::v1::{Endpoint, EndpointState, Peer};

    #[test]
    fn a_service_of_ours_is_asked_for_by_its_package_too() {
        assert_eq!(words(None), Vec::<String>::new());
        assert_eq!(
            words(Some("pay-gateway")),
            ["pay-gateway", "paymesh.gateway."]
        );
        assert_eq!(words(Some("10.0.0.1")), ["10.0.0.1"]);
    }

    #[test]
    fn json_has_the_names_of_the_proto() {
        let endpoint = Endpoint {
            address: "10.0.0.1:80".to_owned(),
            state: EndpointState::Ejected.into(),
            ..Endpoint::default()
        };
        let peer = Peer {
            target: "trade:80".to_owned(),
            endpoints: vec![endpoint],
            ..Peer::default()
        };
        let told = ExplainResponse {
            peers: vec![peer],
            ..ExplainResponse::default()
        };
        let json = as_json(&told).unwrap();
        assert!(
            json.contains("\"state\": \"ENDPOINT_STATE_EJECTED\""),
            "{json}"
        );
        assert!(json.contains("\"address\": \"10.0.0.1:80\""), "{json}");
    }
}
