//! `wharf`: reads the command line, and serves, or runs a tool.

use std::io::Write;
use std::process::ExitCode;

use wharf::args::{Invocation, UsageError};

/// Pushes allocate a little on many threads; this allocator is faster at that than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Tools are told apart by the first argument; everything else is the Pushgateway's command line, which has flags and
    // files of flags (`@file`) only.
    let mut arguments = std::env::args_os().skip(1);
    if let Some(name) = arguments
        .next()
        .filter(|name| !name.to_string_lossy().starts_with(['-', '@']))
    {
        return match name.to_str().and_then(wharf::tools::find) {
            Some(tool) => tool.run(&arguments.collect::<Vec<_>>()),
            None => wharf::tools::unknown(&name),
        };
    }
    let (invocation, program) = Invocation::from_process(&wharf::tools::listed());
    let config = match invocation {
        Ok(Invocation::Print(text)) => return print(&text),
        Ok(Invocation::Serve(args)) => args.config(),
        Err(error) => Err(error),
    };
    match config {
        Ok(config) => wharf::run(&config),
        Err(error) => refuse(&error, &program),
    }
}

fn print(text: &str) -> ExitCode {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    if written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn refuse(error: &UsageError, program: &str) -> ExitCode {
    // If standard error is closed, the exit code says it alone.
    let _unwritten = std::io::stderr()
        .lock()
        .write_all(error.report(program).as_bytes());
    ExitCode::from(UsageError::EXIT_CODE)
}
