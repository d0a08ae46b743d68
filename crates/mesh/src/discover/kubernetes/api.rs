//! How a pod finds and asks its cluster's API.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::client::ConfigExt;
use kube::{Api, Client, Config};
use seam::net::Net;
use tokio::task::JoinError;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tower::{BoxError, ServiceBuilder};

use super::KubernetesError;
use super::dial::Dial;

const CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where a cluster's API is, and what shows who asks. What a pod is given, by default.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The API's URL; none: as a pod's environment has it.
    pub api: Option<String>,
    /// The folder with `token`, `ca.crt` and `namespace`, each read again when it is needed;
    /// /var/run/secrets/kubernetes.io/serviceaccount.
    pub credentials: PathBuf,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            api: None,
            credentials: CREDENTIALS.into(),
        }
    }
}

impl Cluster {
    /// The `EndpointSlice`s of a namespace, or of the pod's own, and its name.
    pub(super) async fn connect(
        &self,
        namespace: Option<&str>,
        net: &Arc<dyn Net>,
    ) -> Result<(Api<EndpointSlice>, String), KubernetesError> {
        let (cluster, net) = (self.clone(), Arc::clone(net));
        let namespace = namespace.map(str::to_owned);
        // It reads files.
        let opened = tokio::task::spawn_blocking(move || cluster.open(namespace, net));
        let failed = |error: JoinError| KubernetesError::Api(error.to_string(), None);
        opened.await.map_err(failed)?
    }

    fn open(
        self,
        namespace: Option<String>,
        net: Arc<dyn Net>,
    ) -> Result<(Api<EndpointSlice>, String), KubernetesError> {
        let config = self.config(namespace)?;
        let namespace = config.default_namespace.clone();
        let client = client(&config, net)?;
        Ok((Api::namespaced(client, &namespace), namespace))
    }

    fn config(self, namespace: Option<String>) -> Result<Config, KubernetesError> {
        let url = self.url()?;
        let url = url.parse().map_err(|source| KubernetesError::Pod {
            what: format!("the API's URL {url:?}"),
            source: io::Error::other(source),
        })?;
        let mut config = Config::new(url);
        config.default_namespace = match namespace {
            Some(namespace) => namespace,
            None => read(&self.credentials.join("namespace"))?.trim().to_owned(),
        };
        let token = self.credentials.join("token");
        read(&token)?;
        config.auth_info.token_file = Some(token.display().to_string());
        if config.cluster_url.scheme_str() == Some("https") {
            config.root_cert = Some(certificates(&self.credentials.join("ca.crt"))?);
        }
        Ok(config)
    }

    fn url(&self) -> Result<String, KubernetesError> {
        if let Some(url) = &self.api {
            return Ok(url.clone());
        }
        let of_pod = |name: &str| {
            std::env::var(name).map_err(|error| KubernetesError::Pod {
                what: name.to_owned(),
                source: io::Error::other(error),
            })
        };
        let host = of_pod("KUBERNETES_SERVICE_HOST")?;
        let port = of_pod("KUBERNETES_SERVICE_PORT")?;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        Ok(format!("https://{host}:{port}"))
    }
}

fn client(config: &Config, net: Arc<dyn Net>) -> Result<Client, kube::Error> {
    let dial = Dial(net);
    let namespace = config.default_namespace.clone();
    let stack = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(BoxError::from);
    let sender = legacy::Client::builder(TokioExecutor::new());
    if config.cluster_url.scheme_str() == Some("http") {
        return Ok(Client::new(stack.service(sender.build(dial)), namespace));
    }
    let dial = config.rustls_https_connector_with_connector(dial)?;
    Ok(Client::new(stack.service(sender.build(dial)), namespace))
}

fn read(path: &Path) -> Result<String, KubernetesError> {
    fs::read_to_string(path).map_err(|source| missing(path, source))
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, KubernetesError> {
    let certificates = CertificateDer::pem_slice_iter(read(path)?.as_bytes())
        .map(|certificate| Ok(certificate?.to_vec()))
        .collect::<Result<Vec<_>, tokio_rustls::rustls::pki_types::pem::Error>>()
        .map_err(|error| missing(path, io::Error::other(error)))?;
    if certificates.is_empty() {
        return Err(missing(
            path,
            io::Error::other("there is no certificate in it"),
        ));
    }
    Ok(certificates)
}

fn missing(path: &Path, source: io::Error) -> KubernetesError {
    KubernetesError::Pod {
        what: path.display().to_string(),
        source,
    }
}
