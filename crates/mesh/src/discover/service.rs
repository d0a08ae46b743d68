//! A Kubernetes service, as a target names it: `service.namespace:port`.

use std::fmt;

const LONGEST_LABEL: usize = 63;

/// A service and one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServicePort {
    pub(crate) service: String,
    /// The pod's own when none is named.
    pub(crate) namespace: Option<String>,
    pub(crate) port: Port,
}

/// Which of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Port {
    /// As the service calls it.
    Name(String),
    /// On which its pods listen.
    Number(u16),
}

impl ServicePort {
    /// Reads `service:port` or `service.namespace:port`; none when it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.split_once(':')?;
        let (service, namespace) = match host.split_once('.') {
            Some((service, namespace)) => (service, Some(namespace)),
            None => (host, None),
        };
        let named = is_label(service) && namespace.is_none_or(is_label);
        let port = Port::parse(port)?;
        named.then(|| Self {
            service: service.to_owned(),
            namespace: namespace.map(str::to_owned),
            port,
        })
    }

    /// The service without its port.
    pub(crate) fn host(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}.{namespace}", self.service),
            None => self.service.clone(),
        }
    }
}

impl Port {
    fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().ok().filter(|port| *port > 0);
            return number.map(Self::Number);
        }
        is_label(text).then(|| Self::Name(text.to_owned()))
    }
}

fn is_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let inner = !text.starts_with('-') && !text.ends_with('-');
    !text.is_empty() && text.len() <= LONGEST_LABEL && inner && text.bytes().all(fits)
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host(), self.port)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_a_port_by_name_or_number_and_perhaps_a_namespace() {
        let read = |text: &str| ServicePort::parse(text).unwrap();
        assert_eq!(read("trade:grpc").namespace, None);
        assert_eq!(read("trade.pay:grpc").namespace.as_deref(), Some("pay"));
        assert_eq!(read("trade:50051").port, Port::Number(50051));
        for text in ["trade:grpc", "pay-gateway.pay:7400"] {
            assert_eq!(read(text).to_string(), text);
        }
        for text in [
            "",
            "trade",
            "trade:",
            ":grpc",
            "trade:0",
            "trade:70000",
            "trade.pay.svc:grpc",
            "trade.:grpc",
            ".pay:grpc",
            "Trade:grpc",
            "-trade:grpc",
            "trade:grpc/x",
            "10.0.0.1:80",
        ] {
            assert_eq!(ServicePort::parse(text), None, "{text}");
        }
    }
}
