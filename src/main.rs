//! The `tokentrail` program.

fn main() {}
