//! The proxy's end of the link.

use crate::tap::Orders;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Listens on `socket` (0600) until cancelled; each connection's commands go to `orders`, outcomes back. A viewer that
/// stalls or dies affects nobody else.
pub async fn serve(
    _socket: &Path,
    _orders: Orders,
    _shutdown: CancellationToken,
) -> std::io::Result<()> {
    todo!()
}
