//! TLS without the mesh: ends that show whatever certificate they are told to, and believe all.

use std::io;
use std::sync::Arc;

use pki::Issued;
use seam::net::{Net, Stream};
use tokio::io::AsyncReadExt;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ALL_VERSIONS, AlertDescription, ClientConfig, DigitallySignedStruct, Error, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[derive(Debug)]
struct Everybody;

impl ServerCertVerifier for Everybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn parts(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(issued.cert.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    (
        chain,
        PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap(),
    )
}

/// Connects with this certificate, or with none.
pub(crate) async fn connect(
    net: &dyn Net,
    address: &str,
    shown: Option<&Issued>,
) -> TlsStream<Stream> {
    let connected = connect_by(ALL_VERSIONS, net, address, shown).await;
    connected.unwrap()
}

/// The same, speaking these versions only.
pub(crate) async fn connect_by(
    versions: &[&'static SupportedProtocolVersion],
    net: &dyn Net,
    address: &str,
    shown: Option<&Issued>,
) -> io::Result<TlsStream<Stream>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Everybody));
    let mut config = match shown.map(parts) {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("anybody").unwrap();
    let stream = net.dial(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}

/// What the server says of our certificate.
pub(crate) async fn alert(mut stream: TlsStream<Stream>) -> AlertDescription {
    said(&stream.read_u8().await.unwrap_err())
}

/// The alert that an error is.
pub(crate) fn said(said: &io::Error) -> AlertDescription {
    match said.get_ref().and_then(|said| said.downcast_ref()) {
        Some(Error::AlertReceived(alert)) => *alert,
        _ => panic!("{said}"),
    }
}

/// Listens with this certificate and asks for none.
pub(crate) async fn listen(net: &dyn Net, shown: &Issued) -> String {
    listen_by(ALL_VERSIONS, net, shown).await
}

/// The same, speaking these versions only.
pub(crate) async fn listen_by(
    versions: &[&'static SupportedProtocolVersion],
    net: &dyn Net,
    shown: &Issued,
) -> String {
    let (chain, key) = parts(shown);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut listener = net.listen("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    address
}
