//! An MCP server that asks for OAuth, and the authorization server that it names, on two origins of this machine; and
//! the user's browser.

mod tls;

use crate::common::http::{Answer, Call, Client, Upstream};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Url;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
pub use tls::CERTIFICATE;
use tls::Tls;

/// How the authorization server behaves.
#[derive(Debug, Clone)]
pub struct Manners {
    pub publishes: bool,
    /// The authorization server that the resource names, instead of its own.
    pub names: Option<String>,
    pub registers: bool,
    /// What a client that was registered by hand is called, and what it has to prove.
    pub known: Option<(&'static str, &'static str)>,
    /// Seconds; what has expired is refused.
    pub lifetime: u64,
    pub renews: bool,
    pub consents: bool,
    /// Whether tokens are for this server's own address only.
    pub checks_resource: bool,
    /// Who the callback says it is, instead of the issuer.
    pub poses_as: Option<&'static str>,
    /// What is added to the metadata, or replaces it.
    pub metadata: Value,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            publishes: true,
            names: None,
            registers: true,
            known: None,
            lifetime: 3600,
            renews: true,
            consents: true,
            checks_resource: true,
            poses_as: None,
            metadata: json!({}),
        }
    }
}

#[derive(Default)]
struct Books {
    manners: Manners,
    clients: HashMap<String, String>,
    /// The authorization requests by the codes that were given for them.
    codes: HashMap<String, HashMap<String, String>>,
    /// Those that work.
    access: HashSet<String>,
    refresh: HashSet<String>,
    /// Everything that must never be seen outside.
    secrets: Vec<String>,
    renewals: usize,
}

impl Books {
    fn secret(&mut self, kind: &str) -> String {
        let secret = format!("{kind}-{}-x9", self.secrets.len());
        self.secrets.push(secret.clone());
        secret
    }

    fn tokens(&mut self, scope: &str) -> Value {
        let (access, refresh) = (self.secret("access"), self.secret("refresh"));
        self.access.insert(access.clone());
        self.refresh.insert(refresh.clone());
        json!({
            "access_token": access, "token_type": "Bearer", "expires_in": self.manners.lifetime,
            "refresh_token": refresh, "scope": scope,
        })
    }
}

#[derive(Default)]
struct Shared {
    books: Mutex<Books>,
    /// Where clients reach the two: scheme, host and port.
    resource: OnceLock<String>,
    authority: OnceLock<String>,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn resource(&self) -> String {
        format!("{}/mcp", self.resource.get().unwrap())
    }

    fn issuer(&self) -> String {
        self.authority.get().unwrap().clone()
    }
}

/// Both servers.
pub struct Oauth {
    resource: Upstream,
    pub authority: Upstream,
    shared: Arc<Shared>,
    tls: Vec<Tls>,
}

impl Oauth {
    pub async fn start(manners: Manners) -> Self {
        let oauth = Self::unreachable(manners).await;
        oauth.reached_at(oauth.resource.url(""), oauth.authority.url(""));
        oauth
    }

    /// Over TLS only, with [`CERTIFICATE`].
    pub async fn over_tls(manners: Manners) -> Self {
        let mut oauth = Self::unreachable(manners).await;
        let resource = Tls::before(oauth.resource.address).await;
        let authority = Tls::before(oauth.authority.address).await;
        let origin = |tls: &Tls| format!("https://{}", tls.address);
        oauth.reached_at(origin(&resource), origin(&authority));
        oauth.tls = vec![resource, authority];
        oauth
    }

    fn reached_at(&self, resource: String, authority: String) {
        self.shared.resource.set(resource).unwrap();
        self.shared.authority.set(authority).unwrap();
    }

    /// Nobody knows yet where they are.
    async fn unreachable(manners: Manners) -> Self {
        let shared = Arc::new(Shared::default());
        shared.books().manners = manners;
        let (at_resource, at_authority) = (shared.clone(), shared.clone());
        let resource = Upstream::start(move |call| serve_resource(call, at_resource.clone())).await;
        let authority =
            Upstream::start(move |call| serve_authority(call, at_authority.clone())).await;
        Self {
            resource,
            authority,
            shared,
            tls: Vec::new(),
        }
    }

    /// The same page of the authorization server, for a browser that speaks no TLS.
    pub fn plain(&self, page: &str) -> String {
        page.replace(&self.issuer(), &self.authority.url(""))
    }

    pub fn url(&self) -> Url {
        self.shared.resource().parse().unwrap()
    }

    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    /// How often a refresh token was asked to work.
    pub fn renewals(&self) -> usize {
        self.shared.books().renewals
    }

    /// Every access token stops working, before it expires.
    pub fn revoke_access(&self) {
        self.shared.books().access.clear();
    }

    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.shared.books().manners);
    }

    /// Whether any token works.
    pub fn knows_somebody(&self) -> bool {
        let books = self.shared.books();
        !books.access.is_empty() || !books.refresh.is_empty()
    }

    /// That no code, token or secret stands in it.
    #[track_caller]
    pub fn keeps_secret_in(&self, text: &str) {
        let books = self.shared.books();
        assert!(!books.secrets.is_empty());
        for secret in &books.secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }

    /// What the authorization server was asked at `path`, as a form or in a query.
    pub fn asked(&self, path: &str) -> Vec<HashMap<String, String>> {
        let seen = self.authority.seen();
        let at = seen.iter().filter(|it| split(it.head.target()).0 == path);
        at.map(|it| match it.body.is_empty() {
            true => pairs(split(it.head.target()).1),
            false => pairs(it.text()),
        })
        .collect()
    }
}

async fn serve_resource(mut call: Call, shared: Arc<Shared>) {
    let body = call.body().await;
    let authorization = call.head.get("authorization").unwrap_or_default();
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let (publishes, named, allowed) = {
        let books = shared.books();
        let Manners {
            publishes, names, ..
        } = &books.manners;
        (*publishes, names.clone(), books.access.contains(token))
    };
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    if call.head.target() == metadata && publishes {
        let metadata = json!({
            "resource": shared.resource(), "authorization_servers": [named.unwrap_or_else(|| shared.issuer())],
            "scopes_supported": ["read", "write"],
        });
        let _ = call.answer_json(metadata.to_string()).await;
    } else if call.head.target() != "/mcp" {
        let _ = call.answer("404 Not Found", &[], "").await;
    } else if !allowed {
        let at = call.head.get("host").unwrap_or_default();
        let resource = shared.resource();
        let scheme = resource.split(':').next().unwrap();
        let challenge = match publishes {
            true => {
                format!("Bearer resource_metadata=\"{scheme}://{at}{metadata}\", scope=\"read\"")
            }
            false => "Bearer".to_owned(),
        };
        let headers = [("WWW-Authenticate", challenge.as_str())];
        let _ = call.answer("401 Unauthorized", &headers, "").await;
    } else {
        answer_mcp(&mut call, &body).await;
    }
}

/// A small legacy server behind the door.
async fn answer_mcp(call: &mut Call, body: &[u8]) {
    if call.head.method() != "POST" {
        let _ = call.answer("405 Method Not Allowed", &[], "").await;
        return;
    }
    let message: Value = serde_json::from_slice(body).unwrap();
    let Some(id) = message.get("id") else {
        let _ = call.answer("202 Accepted", &[], "").await;
        return;
    };
    let answer = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"result": {
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "guarded", "version": "1"},
        }}),
        "tools/list" => json!({"result": {"tools": [
            {"name": "open_sesame", "inputSchema": {"type": "object"}},
        ]}}),
        _ => json!({"error": {"code": -32601, "message": "Method not found"}}),
    };
    let mut whole = json!({"jsonrpc": "2.0", "id": id});
    whole
        .as_object_mut()
        .unwrap()
        .extend(answer.as_object().unwrap().clone());
    let _ = call.answer_json(whole.to_string()).await;
}

async fn serve_authority(mut call: Call, shared: Arc<Shared>) {
    let body = String::from_utf8(call.body().await).unwrap();
    let target = call.head.target().to_owned();
    let (path, query) = split(&target);
    let answer = match path {
        "/.well-known/oauth-authorization-server" if shared.books().manners.publishes => {
            Ok(metadata(&shared))
        }
        "/register" => register(&shared, &body),
        "/authorize" => {
            let back = authorize(&shared, &pairs(query));
            let _ = call.answer("302 Found", &[("Location", &back)], "").await;
            return;
        }
        "/token" => token(&shared, &pairs(&body), call.head.get("authorization")),
        "/revoke" => {
            let mut books = shared.books();
            if books.refresh.remove(&pairs(&body)["token"]) {
                books.access.clear();
            }
            Ok(json!({}))
        }
        _ => {
            let _ = call.answer("404 Not Found", &[], "").await;
            return;
        }
    };
    let _ = match answer {
        Ok(answer) => call.answer_json(answer.to_string()).await,
        Err(error) => {
            let json = [("Content-Type", "application/json")];
            let error = json!({"error": error, "error_description": "so it is"}).to_string();
            call.answer("400 Bad Request", &json, error).await
        }
    };
}

fn metadata(shared: &Shared) -> Value {
    let issuer = shared.issuer();
    let books = shared.books();
    let mut metadata = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "revocation_endpoint": format!("{issuer}/revoke"),
        "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    let fields = metadata.as_object_mut().unwrap();
    if books.manners.registers {
        fields.insert(
            "registration_endpoint".to_owned(),
            json!(format!("{issuer}/register")),
        );
    }
    fields.extend(books.manners.metadata.as_object().unwrap().clone());
    metadata
}

fn register(shared: &Shared, body: &str) -> Result<Value, &'static str> {
    let asked: Value = serde_json::from_str(body).map_err(|_| "invalid_client_metadata")?;
    let mut books = shared.books();
    if !books.manners.registers {
        return Err("access_denied");
    }
    let redirect = asked["redirect_uris"][0]
        .as_str()
        .ok_or("invalid_redirect_uri")?;
    let id = format!("client-{}", books.clients.len());
    books.clients.insert(id.clone(), redirect.to_owned());
    Ok(json!({"client_id": id, "redirect_uris": [redirect]}))
}

/// Where the browser is sent back to.
fn authorize(shared: &Shared, asked: &HashMap<String, String>) -> String {
    let issuer = shared.issuer();
    let mut books = shared.books();
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["code_challenge_method"], "S256");
    let registered = books.clients.get(&asked["client_id"]);
    assert!(registered.is_none_or(|it| *it == asked["redirect_uri"]));
    let issuer = books.manners.poses_as.map_or(issuer, str::to_owned);
    let mut answer = vec![("state", asked["state"].clone()), ("iss", issuer)];
    if books.manners.consents {
        let code = books.secret("code");
        books.codes.insert(code.clone(), asked.clone());
        answer.push(("code", code));
    } else {
        answer.push(("error", "access_denied".to_owned()));
        answer.push((
            "error_description",
            "<b>the user\u{1b}[31m said no</b>".to_owned(),
        ));
    }
    Url::parse_with_params(&asked["redirect_uri"], answer)
        .unwrap()
        .into()
}

fn token(
    shared: &Shared,
    asked: &HashMap<String, String>,
    authorization: Option<&str>,
) -> Result<Value, &'static str> {
    let resource = shared.resource();
    let mut books = shared.books();
    if let Some((id, secret)) = books.manners.known {
        let expected = base64::prelude::BASE64_STANDARD.encode(format!("{id}:{secret}"));
        if authorization != Some(&format!("Basic {expected}")) {
            return Err("invalid_client");
        }
    }
    if books.manners.checks_resource && asked["resource"] != resource {
        return Err("invalid_target");
    }
    match asked["grant_type"].as_str() {
        "authorization_code" => {
            let code = books.codes.remove(&asked["code"]).ok_or("invalid_grant")?;
            let challenge = BASE64_URL_SAFE_NO_PAD.encode(sha256(&asked["code_verifier"]));
            let same = code["redirect_uri"] == asked["redirect_uri"]
                && code["code_challenge"] == challenge
                && code["resource"] == asked["resource"];
            match same {
                true => Ok(books.tokens(code.get("scope").map_or("", String::as_str))),
                false => Err("invalid_grant"),
            }
        }
        "refresh_token" => {
            books.renewals += 1;
            let fine = books.manners.renews && books.refresh.remove(&asked["refresh_token"]);
            match fine {
                // The scope is as it was.
                true => Ok(books.tokens(asked.get("scope").map_or("", String::as_str))),
                false => Err("invalid_grant"),
            }
        }
        _ => Err("unsupported_grant_type"),
    }
}

fn sha256(text: &str) -> Vec<u8> {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().unwrap().common.hash_provider;
    hash.hash(text.as_bytes()).as_ref().to_vec()
}

fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

fn pairs(form: &str) -> HashMap<String, String> {
    let url = Url::parse(&format!("http://localhost/?{form}")).unwrap();
    url.query_pairs().into_owned().collect()
}

/// Opens the page as the user's browser does, and goes where it is sent; the last page.
pub async fn browse(url: &str) -> String {
    let mut url: Url = url.parse().unwrap();
    for _ in 0..5 {
        let answer = open(&url).await;
        match answer.head.get("location") {
            Some(location) => url = url.join(location).unwrap(),
            None => return answer.text().to_owned(),
        }
    }
    panic!("sent in circles")
}

/// Where the user's browser is sent.
pub async fn redirect(url: &Url) -> Url {
    let answer = open(url).await;
    url.join(answer.head.get("location").unwrap()).unwrap()
}

async fn open(url: &Url) -> Answer {
    let address = url.socket_addrs(|| None).unwrap()[0];
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    Client::ask(address, "GET", &target, &[], "").await
}
