//! Our own stdin and stdout as the client end: non-blocking where they are ours, a thread where they are not.
