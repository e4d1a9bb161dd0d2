//! reach - can this box reach host:port, and if not, where does it die?
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
