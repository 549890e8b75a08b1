//! Objects of S3 that steps come from and logs go to, in moto.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use axum::body::Body;
use axum::http::Method;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::forward::Upstream;

const IN_A_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// S3 as an account in a region sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Store<'a> {
    pub(super) upstream: Option<&'a Upstream>,
    pub(super) account: &'a str,
    pub(super) region: &'a str,
}

/// `bucket/key` of a URI of S3.
pub(super) fn path(uri: &str) -> Option<&str> {
    ["s3://", "s3n://", "s3a://"].iter().find_map(|scheme| uri.strip_prefix(scheme))
}

impl Store<'_> {
    async fn ask(&self, method: Method, uri: &str, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let path = path(uri).with_context(|| format!("{uri} is no URI of S3"))?;
        let upstream = self.upstream.context("the local endpoint has no S3; start it with --moto-python")?;
        let path = utf8_percent_encode(path, IN_A_PATH).to_string();
        let answer = upstream.object(method, &path, self.account, self.region, Body::from(body)).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{uri}: {status}");
        Ok(bytes.to_vec())
    }

    /// An object's content.
    pub(super) async fn get(&self, uri: &str) -> anyhow::Result<Vec<u8>> {
        self.ask(Method::GET, uri, Vec::new()).await
    }

    /// Writes an object, compressed as EMR's logs are.
    pub(super) async fn put_gz(&self, uri: &str, content: &[u8]) -> anyhow::Result<()> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content)?;
        self.ask(Method::PUT, uri, encoder.finish()?).await.map(drop)
    }
}
