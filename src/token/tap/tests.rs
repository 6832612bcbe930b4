//! Requests and replies, as they are seen.
