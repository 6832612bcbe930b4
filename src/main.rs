//! The `tokentrail` program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The kernel would clear 2 MiB where the allocator touches a few bytes: 20 MiB of memory and most
    // of the time of a short run. A kernel that knows no such pages refuses, and all is well.
    #[cfg(target_os = "linux")]
    let _refused = rustix::thread::disable_transparent_huge_pages(true);
    tokentrail::cli::main(std::env::args_os())
}
