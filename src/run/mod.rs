//! Composition: one file a mode; the only place that knows everybody.
