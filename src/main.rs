//! The binary: arguments in, exit code out.

use std::process::ExitCode;

/// A plan of many replicas is many small allocations on several threads, where the C library is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(lifeboat::cli::main())
}
