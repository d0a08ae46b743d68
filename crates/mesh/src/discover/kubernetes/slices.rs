//! A service's `EndpointSlice`s put together: which addresses may be called.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};

use super::KubernetesError;
use crate::discover::service::Port;

/// All slices of one service, by name.
pub(super) struct Slices {
    namespace: String,
    known: BTreeMap<String, EndpointSlice>,
}

impl Slices {
    pub(super) fn new(namespace: String, all: Vec<EndpointSlice>) -> Self {
        let mut slices = Self {
            namespace,
            known: BTreeMap::new(),
        };
        for slice in all {
            slices.put(slice);
        }
        slices
    }

    pub(super) fn put(&mut self, slice: EndpointSlice) {
        let name = slice.metadata.name.clone().unwrap_or_default();
        self.known.insert(name, slice);
    }

    pub(super) fn remove(&mut self, slice: &EndpointSlice) {
        let name = slice.metadata.name.as_deref().unwrap_or_default();
        self.known.remove(name);
    }

    /// Who is ready; when nobody is, who still serves although it is going away.
    pub(super) fn addresses(&self, port: &Port) -> Result<Vec<SocketAddr>, KubernetesError> {
        if self.known.is_empty() {
            return Err(KubernetesError::Unknown(self.namespace.clone()));
        }
        let (mut ready, mut serving) = (BTreeSet::new(), BTreeSet::new());
        for (endpoint, address) in self.endpoints(port) {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            // What is not told is taken for well, as the API has it.
            let is_ready = conditions.ready.unwrap_or(true);
            let is_leaving = conditions.terminating.unwrap_or(false);
            if is_ready && !is_leaving {
                ready.insert(address);
            } else if conditions.serving.unwrap_or(is_ready) {
                serving.insert(address);
            }
        }
        let best = if ready.is_empty() { serving } else { ready };
        if best.is_empty() {
            return Err(self.nobody(port));
        }
        Ok(best.into_iter().collect())
    }

    fn endpoints(&self, port: &Port) -> impl Iterator<Item = (&Endpoint, SocketAddr)> {
        let numbered = self
            .known
            .values()
            .filter_map(move |slice| Some((slice, number(slice, port)?)));
        numbered.flat_map(|(slice, number)| {
            endpoints(slice)
                .filter_map(move |endpoint| Some((endpoint, address(endpoint, number)?)))
        })
    }

    fn nobody(&self, port: &Port) -> KubernetesError {
        let slices = self.known.values();
        let count = slices.clone().flat_map(endpoints).count();
        let known: BTreeSet<_> = slices.clone().flat_map(ports).map(shown).collect();
        let has_it = slices.clone().any(|slice| number(slice, port).is_some());
        if count == 0 || has_it {
            return KubernetesError::NoneReady(count);
        }
        KubernetesError::NoPort {
            port: port.clone(),
            known: Vec::from_iter(known).join(", "),
        }
    }
}

fn endpoints(slice: &EndpointSlice) -> impl Iterator<Item = &Endpoint> {
    slice.endpoints.iter().flatten()
}

fn ports(slice: &EndpointSlice) -> impl Iterator<Item = &EndpointPort> {
    slice.ports.iter().flatten()
}

fn shown(port: &EndpointPort) -> String {
    let number = port.port.map(|number| number.to_string());
    let name = port.name.as_deref().unwrap_or_default();
    format!("{name} ({})", number.unwrap_or_default())
}

/// The number of a slice's port, if it has that port.
fn number(slice: &EndpointSlice, port: &Port) -> Option<u16> {
    let is_tcp = |port: &&EndpointPort| port.protocol.as_deref().is_none_or(|name| name == "TCP");
    let mut ports = ports(slice).filter(is_tcp);
    match port {
        Port::Name(name) => {
            let port = ports.find(|port| port.name.as_ref() == Some(name))?;
            port.port?.try_into().ok()
        }
        // A headless service may list no port at all.
        Port::Number(number) if slice.ports.iter().flatten().next().is_none() => Some(*number),
        Port::Number(number) => ports
            .any(|port| port.port == Some(i32::from(*number)))
            .then_some(*number),
    }
}

// Those of one endpoint mean the same; a name instead of an address is none that could be dialled.
fn address(endpoint: &Endpoint, port: u16) -> Option<SocketAddr> {
    let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn slice(name: &str, endpoints: &Value) -> EndpointSlice {
        serde_json::from_value(json!({
            "metadata": { "name": name },
            "addressType": "IPv4",
            "ports": [
                { "name": "metrics", "port": 9090, "protocol": "TCP" },
                { "name": "grpc", "port": 50051, "protocol": "TCP" },
                { "name": "gossip", "port": 7000, "protocol": "UDP" }
            ],
            "endpoints": endpoints,
        }))
        .unwrap()
    }

    fn pod(ip: &str, conditions: &Value) -> Value {
        json!({ "addresses": [ip], "conditions": conditions })
    }

    fn all(endpoints: &Value) -> Slices {
        Slices::new("pay".to_owned(), vec![slice("a", endpoints)])
    }

    fn told(slices: &Slices, port: &str) -> Result<Vec<String>, String> {
        let port = match port.parse() {
            Ok(number) => Port::Number(number),
            Err(_) => Port::Name(port.to_owned()),
        };
        let addresses = slices.addresses(&port).map_err(|error| error.to_string())?;
        Ok(addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_who_is_ready_is_called() {
        let slices = all(&json!([
            pod(
                "10.0.0.1",
                &json!({ "ready": true, "serving": true, "terminating": false })
            ),
            pod("10.0.0.2", &json!({ "ready": false, "serving": false })),
            pod(
                "10.0.0.3",
                &json!({ "ready": false, "serving": true, "terminating": true })
            ),
            // As for a service that publishes addresses which are not ready.
            pod(
                "10.0.0.4",
                &json!({ "ready": true, "serving": true, "terminating": true })
            ),
            pod("10.0.0.5", &json!({})),
            json!({ "addresses": ["10.0.0.6"] }),
        ]));
        let ready = ["10.0.0.1:50051", "10.0.0.5:50051", "10.0.0.6:50051"];
        assert_eq!(told(&slices, "grpc").unwrap(), ready);
    }

    #[test]
    fn when_nobody_is_ready_who_still_serves_is_called() {
        let leaving = pod(
            "10.0.0.3",
            &json!({ "ready": false, "serving": true, "terminating": true }),
        );
        let starting = pod("10.0.0.2", &json!({ "ready": false, "serving": false }));
        let slices = all(&json!([starting, leaving]));
        assert_eq!(told(&slices, "grpc").unwrap(), ["10.0.0.3:50051"]);
        let slices = all(&json!([starting]));
        assert_eq!(
            told(&slices, "grpc").unwrap_err(),
            "none of its 1 endpoints is ready"
        );
    }

    #[test]
    fn slices_are_put_together_and_an_endpoint_in_two_of_them_is_one() {
        let one = |ip: &str, ready: bool| json!([pod(ip, &json!({ "ready": ready }))]);
        let mut slices = all(&one("10.0.0.1", true));
        slices.put(slice("b", &one("10.0.0.2", true)));
        // The controller moves one from slice to slice; for a while it is told twice.
        slices.put(slice("c", &one("10.0.0.2", false)));
        assert_eq!(
            told(&slices, "grpc").unwrap(),
            ["10.0.0.1:50051", "10.0.0.2:50051"]
        );
        slices.remove(&slice("b", &json!([])));
        assert_eq!(told(&slices, "grpc").unwrap(), ["10.0.0.1:50051"]);
        slices.remove(&slice("a", &json!([])));
        slices.remove(&slice("c", &json!([])));
        assert!(told(&slices, "grpc").unwrap_err().contains("namespace pay"));
    }

    #[test]
    fn a_port_has_a_name_or_the_number_pods_listen_on() {
        let mut slices = all(&json!([pod("10.0.0.1", &json!({}))]));
        assert_eq!(told(&slices, "9090").unwrap(), ["10.0.0.1:9090"]);
        for port in ["http", "80", "gossip", "7000"] {
            let why = told(&slices, port).unwrap_err();
            let expected = format!("it has no port {port}; it has gossip (7000), grpc (50051)");
            assert!(why.starts_with(&expected), "{why}");
        }
        let mut without = slice("a", &json!([pod("10.0.0.1", &json!({}))]));
        without.ports = None;
        slices.put(without);
        assert_eq!(told(&slices, "80").unwrap(), ["10.0.0.1:80"]);
    }

    #[test]
    fn what_cannot_be_dialled_is_passed_over() {
        let slices = all(&json!([
            { "addresses": ["trade.example.com"] },
            { "addresses": [] },
            { "addresses": ["fd00::1", "fd00::2"] },
        ]));
        assert_eq!(told(&slices, "grpc").unwrap(), ["[fd00::1]:50051"]);
    }
}
