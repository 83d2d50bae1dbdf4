//! What the tests of the data path are made of: peers, a harness, and a built proxy to put between.

#![allow(dead_code, reason = "each test uses its own part of it")]

pub mod counter;
pub mod driver;
pub mod files;
pub mod harness;
pub mod http;
pub mod peers;
pub mod signals;
pub mod upstream;
