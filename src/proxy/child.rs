//! The server as a child process: spawn, pipes, process group, signals, reaping.
