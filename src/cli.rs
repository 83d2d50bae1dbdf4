//! Arguments to plain configuration; the only place that knows clap.
