//! Requests to what watches the deployment.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Longest wait for an answer; a query over 24 hours takes its time.
const REQUEST: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 32 * 1024 * 1024;

/// A server at an address. Its address is told to nobody: it may have a password.
#[derive(Debug, Clone)]
pub(super) struct Web {
    client: reqwest::Client,
    url: String,
}

impl Web {
    /// The server at this `http(s)` URL.
    pub(super) fn new(client: &reqwest::Client, url: &str) -> Self {
        Self { client: client.clone(), url: url.trim_end_matches('/').to_owned() }
    }

    /// What a path answers, as JSON.
    ///
    /// # Errors
    /// When nobody answers, or not in JSON. An answer that is no success is one: the caller reads what it says.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let text = self.text(path, query).await?;
        serde_json::from_str(&text).context("the answer is no JSON")
    }

    /// What a path answers.
    ///
    /// # Errors
    /// When nobody answers, or too much.
    pub(super) async fn text(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        let mut url = format!("{}{path}", self.url);
        if !query.is_empty() {
            url.push('?');
            url.push_str(&form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish());
        }
        let (status, text) = Self::read(self.client.get(url)).await?;
        // Prometheus says in JSON what it does not like.
        if status.is_success() || text.starts_with('{') { Ok(text) } else { bail!("the answer is {status}") }
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When nobody answers, or it is refused.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<()> {
        Self::done(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Deletes what is there.
    ///
    /// # Errors
    /// When nobody answers, or it is refused.
    pub(super) async fn delete(&self, path: &str) -> Result<()> {
        Self::done(self.client.delete(format!("{}{path}", self.url))).await
    }

    async fn done(request: reqwest::RequestBuilder) -> Result<()> {
        let (status, _) = Self::read(request).await?;
        anyhow::ensure!(status.is_success(), "the answer is {status}");
        Ok(())
    }

    async fn read(request: reqwest::RequestBuilder) -> Result<(reqwest::StatusCode, String)> {
        let answer = request.timeout(REQUEST).send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(reqwest::Error::without_url)?;
        if bytes.len() > LARGEST {
            bail!("the answer is larger than {LARGEST} bytes");
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Whether this is the address of a server.
pub(super) fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A URL as an argument.
pub(super) fn url(text: &str) -> Result<String, String> {
    if is_url(text) {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("is not a URL like http://127.0.0.1:9090".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host() {
        assert_eq!(url("http://127.0.0.1:9090/"), Ok("http://127.0.0.1:9090".to_owned()));
        for bad in ["", "127.0.0.1:9090", "ftp://x", "http://"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
