//! `auth`: logging in to servers that ask for OAuth, for the proxy to use.

use super::failure::Failure;
use super::{output, upstream};
use crate::auth::store::{Login, Store, now};
use crate::auth::{self, Bearer, Identity, Wanted};
use crate::cli::Trust;
use crate::cli::auth::{self as cli, Auth};
use crate::headless::{self, Voice};
use crate::proxy::http_client::{Credentials, Origin};
use anyhow::bail;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// What a shell says of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

pub fn run(what: Auth) -> Result<u8, Failure> {
    let store = Store::of_user().map_err(anyhow::Error::from)?;
    match what {
        Auth::Login(asked) => super::screen::block_on(login(asked, &store)),
        Auth::Status { url } => status(url.as_deref(), &store),
        Auth::Logout { url, trust } => super::screen::block_on(logout(&url, trust, &store)),
    }
}

async fn login(asked: cli::Login, store: &Store) -> Result<u8, Failure> {
    let (browser, timeout) = (asked.browser, asked.timeout);
    let mut wanted = wanted(asked)?;
    if !wanted.scopes.is_empty() {
        widen(&mut wanted, store)?;
    }
    let logging_in = async {
        let pending = auth::begin(wanted).await?;
        announce(pending.url(), browser);
        match tokio::time::timeout(timeout, pending.finish(store)).await {
            Ok(login) => Ok(login?),
            Err(_) => bail!(
                "nobody came back from the browser within {} s; --timeout SECONDS waits longer",
                timeout.as_secs_f64()
            ),
        }
    };
    tokio::select! {
        login = logging_in => {
            headless::say(&format!("logged in to {}", described(&login?)));
            Ok(0)
        }
        _ = tokio::signal::ctrl_c() => {
            headless::complain("interrupted");
            Ok(INTERRUPTED)
        }
    }
}

fn wanted(asked: cli::Login) -> Result<Wanted, Failure> {
    let secret = asked.client_secret_env.map(|name| {
        std::env::var(&name).map_err(|_| {
            Failure::usage(format!(
                "--client-secret-env {name}: this variable is not set"
            ))
        })
    });
    let identity = match (asked.client_id, asked.client_metadata_url) {
        (Some(id), _) => Identity::Registered {
            id,
            secret: secret.transpose()?,
        },
        (None, Some(url)) => Identity::Described(url),
        (None, None) => Identity::New,
    };
    Ok(Wanted {
        server: upstream::address(&asked.url)?,
        scopes: asked.scopes,
        identity,
        redirect_port: asked.redirect_port,
        trust: trust(asked.trust)?,
    })
}

/// More scopes are asked for besides those of the login that is there: the new one takes its place.
fn widen(wanted: &mut Wanted, store: &Store) -> anyhow::Result<()> {
    let before = store.find(&wanted.server)?;
    let mut scopes = before.map_or(Vec::new(), |login| login.tokens.scopes);
    for scope in std::mem::take(&mut wanted.scopes) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    wanted.scopes = scopes;
    Ok(())
}

fn trust(asked: Trust) -> Result<auth::Trust, Failure> {
    Ok(auth::Trust {
        cacert: upstream::certificates(&asked)?,
        insecure: asked.insecure,
    })
}

/// Sends the operator's browser there, or asks the operator to.
fn announce(url: &str, browser: bool) {
    let opened = browser && has_display() && open(url);
    let what = if opened {
        "your browser should show the login now; if it does not, open"
    } else {
        "to log in, open"
    };
    headless::say(&format!("{what}\n{url}"));
}

fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Without a shell, so that nothing in the address is taken for a command.
fn open(url: &str) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}

fn status(url: Option<&str>, store: &Store) -> Result<u8, Failure> {
    let logins = match url {
        Some(url) => {
            let found = store.find(&upstream::address(url)?);
            vec![
                found
                    .map_err(anyhow::Error::from)?
                    .ok_or_else(|| missing(url))?,
            ]
        }
        None => store.list().map_err(anyhow::Error::from)?,
    };
    let mut text = String::new();
    for login in &logins {
        // A String takes everything.
        let _ = writeln!(text, "{}", described(login));
    }
    if logins.is_empty() {
        text.push_str("no logins are stored; mcp-sentinel auth login URL\n");
    }
    output::print_foreign(&text)?;
    Ok(0)
}

/// Only of the login for exactly this server: what holds for it from further up is used for others too.
async fn logout(url: &str, asked: Trust, store: &Store) -> Result<u8, Failure> {
    let trust = trust(asked)?;
    let server = upstream::address(url)?;
    let exact = || match store.load(&server) {
        Ok(login) => login.ok_or_else(|| missing(url)),
        Err(error) => Err(error.into()),
    };
    exact()?;
    let lock = store.lock(&server).await.map_err(anyhow::Error::from)?;
    // Somebody may have renewed it since, or have been quicker.
    let login = exact()?;
    let told = auth::revoke(&login, &trust).await;
    store.remove(&login, &lock).map_err(anyhow::Error::from)?;
    let outcome = match told {
        Ok(true) => "its tokens are revoked".to_owned(),
        Ok(false) => {
            "its tokens hold until they expire: the server offers no way to revoke them".to_owned()
        }
        Err(reason) => {
            format!("its tokens hold until they expire: they could not be revoked ({reason})")
        }
    };
    headless::say(&format!("logged out of {}; {outcome}", login.server));
    Ok(0)
}

fn missing(url: &str) -> anyhow::Error {
    anyhow::anyhow!("no login is stored for {url}; mcp-sentinel auth login {url}")
}

/// `https://host/mcp · at https://as · read write · expires in 58 min, renewed by itself`.
fn described(login: &Login) -> String {
    let mut parts = vec![login.server.to_string()];
    parts.extend(login.issuer.iter().map(|issuer| format!("at {issuer}")));
    if !login.tokens.scopes.is_empty() {
        parts.push(login.tokens.scopes.join(" "));
    }
    let renewed = login.tokens.refresh_token.is_some();
    parts.push(match (login.tokens.expires, renewed) {
        (Some(expires), true) if expires <= now() => "expired, renewed when used".to_owned(),
        (Some(expires), false) if expires <= now() => "expired".to_owned(),
        (Some(expires), true) => format!("expires in {}, renewed by itself", span(expires - now())),
        (Some(expires), false) => format!("expires in {}", span(expires - now())),
        (None, _) => "nobody says when it expires".to_owned(),
    });
    parts.join(" · ")
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The stored login for a server that is given no credentials otherwise. What cannot be read is said and done without.
pub fn stored(origin: &Origin, voice: Voice) -> Option<Arc<dyn Credentials>> {
    if origin.has_authorization() {
        return None;
    }
    let found = Store::of_user().and_then(|store| Bearer::of(&store, &origin.url, origin.into()));
    match found {
        Ok(bearer) => bearer.map(|bearer| Arc::new(bearer) as _),
        Err(error) => {
            voice.complain(&format!("no stored login is used: {error}"));
            None
        }
    }
}
