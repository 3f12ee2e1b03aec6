//! A service with a certificate that nobody vouches for but its own file.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::*;

/// Self-signed, for 127.0.0.1, made for this test only; good until 2126.
const CERTIFICATE: &str = concat!(
    "MIIBkzCCATmgAwIBAgIUPtLQoK5do3H056B1Ev8hPMK/CHEwCgYIKoZIzj0EAwIwFzEVMBMGA1UEAwwMZmxvd2N0bCB0ZXN0",
    "MCAXDTI2MTEyMzEwMTEwNVoYDzIxMjYxMDMwMTAxMTA1WjAXMRUwEwYDVQQDDAxmbG93Y3RsIHRlc3QwWTATBgcqhkjOPQIB",
    "BggqhkjOPQMBBwNCAASaG/xvbzMRqtkBAFpuJYMILzUZbytcap3a+ylKBTIFizX1/qR1VavEjJadvPy8sh7nQY3WEAELleC6",
    "ZckcQYWfo2EwXzAdBgNVHQ4EFgQU+M+VxmwLYjcwbuG/8kIpMFrtgTowHwYDVR0jBBgwFoAU+M+VxmwLYjcwbuG/8kIpMFrt",
    "gTowDwYDVR0RBAgwBocEfwAAATAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0gAMEUCIQDxuaR/jRb5ee6fNVNcYfqmJRm+",
    "j9N8TOsGUjXmK4xiLgIgWishJIxZFEWxubMa1PajX6Fmw8Qc2n8/wwBSG2/SX+k=",
);

/// Its key, which protects nothing.
const KEY: &str = concat!(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIa1dKKSBsa+pQqal8J4NkMDlZ1WNbMxvGupeOKgMrwqhRANC",
    "AASaG/xvbzMRqtkBAFpuJYMILzUZbytcap3a+ylKBTIFizX1/qR1VavEjJadvPy8sh7nQY3WEAELleC6ZckcQYWf",
);

/// Answers each connection with an empty 200.
fn serve() -> SocketAddr {
    let certificate = CertificateDer::from(STANDARD.decode(CERTIFICATE).unwrap());
    let key = PrivatePkcs8KeyDer::from(STANDARD.decode(KEY).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut connection, &mut socket);
            // A client that does not trust the certificate breaks off here, as it should.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                );
            }
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_for_good() {
    let cx = context();
    let step = step(json!({"url": format!("https://{}/", serve()), "within": "2s"}));
    let error = step.run(&cx.context).await.unwrap_err();
    assert!(
        cx.sink.progress_texts().is_empty(),
        "asking again cannot help"
    );
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "http.tls")
    );
    assert!(error.help.unwrap().contains("ca_file"));
}

#[tokio::test]
async fn a_private_ca_is_trusted_by_its_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        file,
        "-----BEGIN CERTIFICATE-----\n{CERTIFICATE}\n-----END CERTIFICATE-----"
    )
    .unwrap();
    let with = json!({"url": format!("https://{}/", serve()), "ca_file": file.path()});
    let (output, _) = run(step(with)).await;
    assert_eq!(verdict(&output).0, Verdict::Pass);
}
