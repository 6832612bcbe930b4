//! What is said on an HTTP/2 connection?
#![allow(dead_code)]
mod hpack;
