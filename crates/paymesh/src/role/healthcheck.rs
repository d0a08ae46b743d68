//! `paymesh healthcheck`: one question to a server, for probes and scripts.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::Config;
use crate::failure::Failure;
use crate::ground::visitor;

pub async fn run(config: &Config, address: &str, service: &str) -> Result<(), Failure> {
    let client = visitor(config, "healthcheck", address, None)?;
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(client)
        .check(request)
        .await
        .map_err(|status| {
            Failure::new(
                "NOT_SERVING",
                format!("{address}: {} {}", status.code(), status.message()),
            )
        })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => {
            println!("serving");
            Ok(())
        }
        other => Err(Failure::new(
            "NOT_SERVING",
            format!("{address}: {}", other.as_str_name()),
        )),
    }
}
