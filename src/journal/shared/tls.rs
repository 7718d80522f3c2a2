//! Encrypted connections to a store: who may vouch for it, and who we are.

use crate::journal::{Access, JournalError};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The settings for such connections.
///
/// # Errors
/// Files that cannot be read or are no certificates.
pub fn config(store: &str, access: &Access) -> Result<ClientConfig, JournalError> {
    let failed = |what: String| JournalError::Refused { store: store.to_owned(), why: what };
    let at = |path: &Path, why: String| failed(format!("{}: {why}", path.display()));
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, JournalError> {
        let read = CertificateDer::pem_file_iter(path).map_err(|e| at(path, e.to_string()))?;
        let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|e| at(path, e.to_string()))?;
        if all.is_empty() { Err(at(path, "no certificate is in it".to_owned())) } else { Ok(all) }
    };
    let mut roots = RootCertStore::empty();
    let trusted = match &access.authority {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(trusted);
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| failed(e.to_string()))?;
    let builder = builder.with_root_certificates(roots);
    match &access.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((own, key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| at(key, e.to_string()))?;
            builder.with_client_auth_cert(certificates(own)?, key_der).map_err(|e| failed(e.to_string()))
        }
    }
}

/// Whether asking again cannot help: one of the two does not trust the other, or does not speak like that.
pub fn is_final(why: &str) -> bool {
    ["invalid peer certificate", "received fatal alert", "does not support TLS", "invalid dns name"]
        .iter()
        .any(|words| why.contains(words))
}

/// The words of an error with those of what is behind it, which has the matter.
pub fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = error.source();
    }
    text
}
