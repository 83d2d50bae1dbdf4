//! Whom clients of ours trust over TLS.

use super::{Origin, in_words};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// TLS with one server.
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// With the server of this name, or address, which `origin` says how to trust; the error says in words what cannot
    /// be used.
    pub fn towards(host: &str, origin: &Origin) -> Result<Self, String> {
        let mut configuration = configuration(origin.cacert.as_deref(), origin.insecure)
            .map_err(|error| in_words(&error))?;
        configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| in_words(&error))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(configuration)),
            name,
        })
    }

    pub async fn connect<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// Trusts whom the system trusts and the issuers in `cacert` (PEM); with `insecure`, anybody.
pub fn configuration(cacert: Option<&[u8]>, insecure: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    // For clients of others' making in this process; a second call finds it installed.
    let _ = ring::default_provider().install_default();
    let verifier: Arc<dyn ServerCertVerifier> = if insecure {
        Arc::new(Anybody(provider.clone()))
    } else {
        let more = certificates(cacert.unwrap_or_default())?;
        Arc::new(Verifier::new_with_extra_roots(more, provider.clone())?)
    };
    let configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(configuration)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.map_err(|error| Error::General(format!("no certificates in PEM: {error}")))
}

/// `--insecure`: whoever answers is believed to be who was asked for. That they hold the key to their certificate is
/// still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _issuers: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
