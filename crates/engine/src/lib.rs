//! The native HTTP engine: plain routes answered without Python, everything else handed to it.
//!
//! Safe Rust on the standard library. Python owns the rules: it says which requests are plain and what their answers
//! are, as finite programs of bytes and pauses ([`program`]). This crate reads requests ([`http1`], [`chunked`]), looks
//! them up ([`table`]), records them ([`log`]) and carries programs out ([`connection`]). What is not in the table is
//! parked until Python has decided ([`server::Server::answer`]). What needs `unsafe` is asked of a
//! [`platform::Platform`].

#![forbid(unsafe_code)]

pub mod chunked;
pub mod connection;
pub mod http1;
pub mod log;
pub mod platform;
pub mod program;
pub mod runtime;
pub mod server;
pub mod table;
