//! Logging in to a server by OAuth, keeping its tokens, and giving them to the data path.
//!
//! The protocol is rmcp's: discovery, registration, PKCE, the exchange and the renewal of tokens. Ours is the way
//! there and back: the HTTP client, the browser's return, the files. Tokens go to the configured server and to the
//! authorization server that issued them; nothing here prints or logs one. Must not know the command line or a screen.

mod bearer;
mod callback;
mod http;
mod login;
mod protocol;
mod renewal;
pub mod store;

pub use bearer::Bearer;
pub use login::{Identity, LoginError, Pending, Wanted, begin};
pub use renewal::revoke;

use crate::proxy::http_client::Origin;

/// Whom we trust over TLS.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Trusted besides the system's: PEM.
    pub cacert: Option<Vec<u8>>,
    /// Certificates are not verified, and plain HTTP will do.
    pub insecure: bool,
}

impl From<&Origin> for Trust {
    fn from(origin: &Origin) -> Self {
        Self {
            cacert: origin.cacert.clone(),
            insecure: origin.insecure,
        }
    }
}
