//! Signature version 4 on a request. The arithmetic is `aws-sigv4`'s; which of its settings S3 wants is said here.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use reqwest::RequestBuilder;

use super::{Inner, S3Client};
use crate::error::StepError;

/// What is signed: all of a request.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    /// Path and query after the store's address, encoded, without a leading slash.
    pub(super) path: &'a str,
    /// Headers beside those of the signature, all signed.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

impl S3Client {
    /// The request with its signature, which holds for the quarter of an hour around `now`.
    pub(super) fn signed(
        &self,
        now: Timestamp,
        unsigned: &Unsigned<'_>,
    ) -> Result<RequestBuilder, StepError> {
        let wrong = |error: &dyn std::error::Error| {
            StepError::permanent("s3.request", format!("the request cannot be made: {error}"))
        };
        let method = reqwest::Method::from_bytes(unsigned.method.as_bytes())
            .map_err(|error| wrong(&error))?;
        let url = format!("{}/{}", self.0.base, unsigned.path);
        let mut request = self.0.http.request(method, &url);
        for (name, value) in unsigned.headers {
            request = request.header(*name, *value);
        }
        for (name, value) in
            headers(&self.0, now, &url, unsigned).map_err(|error| wrong(&*error))?
        {
            request = request.header(name, value);
        }
        Ok(if unsigned.body.is_empty() {
            request
        } else {
            request.body(unsigned.body.to_vec())
        })
    }
}

/// The headers that the signature adds: the date, the payload's checksum and the authorization.
fn headers(
    store: &Inner,
    now: Timestamp,
    url: &str,
    unsigned: &Unsigned<'_>,
) -> Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>> {
    let mut settings = SigningSettings::default();
    // S3 decodes a path once, and takes two slashes for two slashes.
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let credentials = Credentials::new(
        store.access_key.reveal(),
        store.secret_key.reveal(),
        None,
        None,
        "target",
    );
    let identity = credentials.into();
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&store.region)
        .name("s3")
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .settings(settings)
        .build()?
        .into();
    let signable = SignableRequest::new(
        unsigned.method,
        url,
        unsigned.headers.iter().copied(),
        SignableBody::Bytes(unsigned.body),
    )?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    Ok(instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn client() -> S3Client {
        S3Client::new(
            "https://examplebucket.s3.amazonaws.com",
            "us-east-1",
            Secret::new("AKIAIOSFODNN7EXAMPLE"),
            Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        )
        .unwrap()
    }

    fn authorization(unsigned: &Unsigned<'_>) -> (String, reqwest::Request) {
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let request = client().signed(now, unsigned).unwrap().build().unwrap();
        let header = request.headers()["authorization"].to_str().unwrap();
        (header.to_owned(), request)
    }

    // Both examples are from Amazon's documentation, "Authenticating Requests: Using the Authorization Header (AWS
    // Signature Version 4)".

    #[test]
    fn a_read_is_signed_as_in_the_documentation() {
        let (authorization, request) = authorization(&Unsigned {
            method: "GET",
            path: "test.txt",
            headers: &[("range", "bytes=0-9")],
            body: &[],
        });
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        assert_eq!(header("x-amz-date"), "20130524T000000Z");
        assert_eq!(
            header("x-amz-content-sha256"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(header("range"), "bytes=0-9");
    }

    #[test]
    fn a_write_to_an_encoded_path_is_signed_as_in_the_documentation() {
        let (authorization, request) = authorization(&Unsigned {
            method: "PUT",
            path: "test%24file.text",
            headers: &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            body: b"Welcome to Amazon S3.",
        });
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, \
             Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(request.url().path(), "/test%24file.text");
    }
}
