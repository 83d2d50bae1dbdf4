//! The viewer's end of the link.

use crate::tap::Orders;
use std::path::Path;

/// Connects to a proxy's socket. Orders sent to the result travel over the socket; when the proxy is gone they are
/// refused, saying so.
pub async fn connect(_socket: &Path) -> std::io::Result<Orders> {
    todo!()
}
