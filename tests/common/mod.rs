//! What the tests of the data path are made of: peers, a harness, and a built proxy to put between.

pub mod driver;
pub mod harness;
pub mod peers;
pub mod upstream;
