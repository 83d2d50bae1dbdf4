//! The built-in client: somebody at work, calmly and for ever.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// Talks to a server until `stop` is cancelled or the server hangs up. `reader` is what the server says, `writer`
/// is what it hears; closing `writer` is how the client leaves.
pub async fn converse<R, W>(reader: R, writer: W, stop: CancellationToken) -> anyhow::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let _ = (reader, writer, stop);
    todo!()
}
