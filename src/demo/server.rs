//! The built-in server: the desk of a small harbour office.

use tokio::io::{AsyncRead, AsyncWrite};

/// Serves one client until it hangs up. `reader` and `writer` are the server's stdin and stdout.
pub async fn serve<R, W>(reader: R, writer: W) -> anyhow::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let _ = (reader, writer);
    todo!()
}
