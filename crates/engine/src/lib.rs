//! Reserved for the native HTTP engine. Nothing uses this crate yet: `api_simulator` serves with aiohttp.
//!
//! What comes here is safe Rust on the standard library: parsing requests, the table of plain routes,
//! answers as ready wire bytes, the journal. What needs `unsafe` belongs to `api-simulator-capi`.

#![forbid(unsafe_code)]
