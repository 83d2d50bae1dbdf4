//! One direction of a session: read, tap, write.
