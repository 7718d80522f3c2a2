//! Encrypted connections to a machine that is asked whether it is ready.

use crate::domain::{NotSo, Tls};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, ring::default_provider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Talks to whoever proves to be who it must be.
pub async fn over(stream: TcpStream, address: IpAddr, tls: &Tls) -> Result<TlsStream<TcpStream>, NotSo> {
    let config = config(tls)?;
    let name = match &tls.server_name {
        Some(name) => {
            ServerName::try_from(name.clone()).map_err(|why| NotSo::CannotAsk { why: why.to_string() })?
        }
        None => ServerName::IpAddress(address.into()),
    };
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|why| match why.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => NotSo::Untrusted { why: why.to_string() },
        Some(why) => NotSo::Garbled { why: why.to_string() },
        None => super::tcp::unconnected(&why),
    })
}

fn config(tls: &Tls) -> Result<ClientConfig, NotSo> {
    let cannot = |why: String| NotSo::CannotAsk { why };
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| cannot(e.to_string()))?;
    if tls.insecure.is_some() {
        let anybody = Arc::new(Anybody(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    let trusted = match &tls.ca {
        Some(path) => certificates(Path::new(path)).map_err(|why| cannot(format!("{path}: {why}")))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (taken, _) = roots.add_parsable_certificates(trusted);
    if taken == 0 {
        let of = tls.ca.as_deref().unwrap_or("this system");
        return Err(cannot(format!("{of}: there is no certificate that could vouch for anybody")));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?;
    read.collect::<Result<_, _>>().map_err(|e| e.to_string())
}

/// Takes everybody for who they say they are. The document says why.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
