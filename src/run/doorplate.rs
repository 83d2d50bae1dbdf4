//! Where HTTP clients find the proxy, once it listens.

use crate::proxy::Upstream;
use crate::proxy::listener::Listen;
use std::net::SocketAddr;
use tokio::sync::watch;

/// The listener's address, as clients are given it.
#[derive(Debug, Clone)]
pub struct Doorplate {
    bound: watch::Receiver<Option<SocketAddr>>,
    path: String,
}

impl Doorplate {
    /// Paths are the upstream's own; in front of a command it is `/mcp`.
    pub fn of(listen: &Listen, upstream: &Upstream) -> Self {
        let path = match upstream {
            Upstream::Command(_) => "/mcp",
            Upstream::Http(origin) => origin.url.path(),
        };
        Self {
            bound: listen.bound.subscribe(),
            path: path.to_owned(),
        }
    }

    /// `None` before it listens, or when it cannot.
    pub fn url(&self) -> Option<String> {
        let bound = (*self.bound.borrow())?;
        Some(format!("http://{bound}{}", self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::http_client::Origin;
    use std::sync::Arc;

    fn origin(url: &str) -> Upstream {
        Upstream::Http(Arc::new(Origin::at(url.parse().unwrap())))
    }

    #[test]
    fn clients_find_the_servers_path_at_the_real_port() {
        for (upstream, url) in [
            (Upstream::Command(Vec::new()), "http://[::1]:4711/mcp"),
            (
                origin("https://host/a/b?key=secret"),
                "http://[::1]:4711/a/b",
            ),
            (origin("https://host"), "http://[::1]:4711/"),
        ] {
            let listen = Listen::at("[::1]:0");
            let doorplate = Doorplate::of(&listen, &upstream);
            assert_eq!(doorplate.url(), None);
            listen
                .bound
                .send_replace(Some("[::1]:4711".parse().unwrap()));
            assert_eq!(doorplate.url().unwrap(), url);
        }
    }
}
