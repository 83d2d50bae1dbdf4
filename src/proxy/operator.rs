//! The operator in a session: raw calls with ids of our own, and an own session whose handshake rmcp does.
