//! The HTTP client of rmcp's OAuth: ours, so that it trusts whom the proxy trusts, and refuses to send secrets in the
//! clear.

use super::Trust;
use crate::proxy::http_client::{configuration, in_words, is_loopback};
use http::Method;
use reqwest::{Url, header};
use rmcp::transport::auth::{OAuthHttpClient, OAuthHttpClientFuture, OAuthHttpRequest};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Metadata and tokens are small.
const LONGEST: usize = 1 << 20;
const CONNECT: Duration = Duration::from_secs(30);

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Sends what rmcp asks for. Redirects are rmcp's to follow, which knows where a secret may go.
pub struct Http {
    /// For this machine, where no proxy server leads to.
    direct: reqwest::Client,
    others: reqwest::Client,
    server: Url,
    insecure: bool,
    /// rmcp keeps the reason of some failures to itself.
    trouble: Mutex<Option<String>>,
}

impl Http {
    /// For logging in to `server`.
    pub fn new(server: &Url, trust: &Trust) -> Result<Self, String> {
        let tls = configuration(trust.cacert.as_deref(), trust.insecure)
            .map_err(|error| in_words(&error))?;
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT)
        };
        let unusable = |error: reqwest::Error| in_words(&error);
        Ok(Self {
            direct: builder().no_proxy().build().map_err(unusable)?,
            others: builder().build().map_err(unusable)?,
            server: server.clone(),
            insecure: trust.insecure,
            trouble: Mutex::default(),
        })
    }

    /// Why the last request that failed did so.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this address may be asked, or shown to the operator's browser.
    pub fn check(&self, url: &Url, method: &Method) -> Result<(), String> {
        // What the server publishes about itself is as safe as the way that the operator chose to it.
        let about_itself = method == Method::GET && url.origin() == self.server.origin();
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.insecure || is_loopback(url) || about_itself => Ok(()),
            "http" => Err(format!(
                "{url} is plain http://, where everybody on the way could read the tokens; OAuth asks for https:// (--insecure does without)"
            )),
            _ => Err(format!("{url} is not a web address")),
        }
    }

    pub async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Option<Duration>,
    ) -> Result<http::Response<Vec<u8>>, Failure> {
        let mut request = reqwest::Request::try_from(request)?;
        self.check(request.url(), request.method())?;
        *request.timeout_mut() = timeout;
        let client = match is_loopback(request.url()) {
            true => &self.direct,
            false => &self.others,
        };
        let mut response = client.execute(request).await?;
        let mut answer = http::Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            *headers = response.headers().clone();
        }
        let mut body = Vec::new();
        while !is_stream(response.headers())
            && let Some(chunk) = response.chunk().await?
        {
            if body.len() + chunk.len() > LONGEST {
                return Err(format!("the answer is longer than {LONGEST} bytes").into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(answer.body(body)?)
    }
}

impl OAuthHttpClient for Http {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move {
            let outcome = self.send(request.request, request.timeout).await;
            let trouble = outcome.as_ref().err().map(|error| in_words(error.as_ref()));
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
            outcome
        })
    }
}

/// A server that needs no login may answer discovery with its event stream, which never ends.
fn is_stream(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(server: &str, insecure: bool, method: Method, url: &str) -> bool {
        let trust = Trust {
            insecure,
            ..Trust::default()
        };
        let http = Http::new(&server.parse().unwrap(), &trust).unwrap();
        http.check(&url.parse().unwrap(), &method).is_ok()
    }

    #[test]
    fn secrets_go_over_tls_or_stay_on_this_machine() {
        let server = "https://mcp.example/mcp";
        for fine in [
            "https://as.example/token",
            "http://127.0.0.1:9/token",
            "http://[::1]:9/token",
            "http://localhost/token",
        ] {
            assert!(may(server, false, Method::POST, fine), "{fine}");
        }
        for wrong in [
            "http://as.example/token",
            "http://127.0.0.1.as.example/token",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert!(!may(server, false, Method::POST, wrong), "{wrong}");
            assert!(!may(server, false, Method::GET, wrong), "{wrong}");
        }
        assert!(may(server, true, Method::POST, "http://as.example/token"));
        assert!(!may(server, true, Method::GET, "file:///etc/passwd"));
    }

    #[test]
    fn a_server_that_was_asked_for_over_plain_http_may_be_asked_about_itself_only() {
        let server = "http://mcp.example/mcp";
        let about = "http://mcp.example/.well-known/oauth-protected-resource";
        assert!(may(server, false, Method::GET, about));
        assert!(!may(
            server,
            false,
            Method::POST,
            "http://mcp.example/token"
        ));
        let other = "http://mcp.example:81/.well-known/oauth-authorization-server";
        assert!(!may(server, false, Method::GET, other));
    }
}
