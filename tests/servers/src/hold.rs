//! Starts a server (`mongodb`, or the one that the argument names), says where it is, and holds it until the standard input ends.
#![allow(clippy::print_stdout, reason = "it is there to say it")]

use servers::{aws, mongodb};
use std::io::Read;
use std::path::Path;

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None | Some("mongodb") => {
            let server = mongodb::Server::start(mongodb::Options::default());
            hold(&server.uri(), server.folder())
        }
        Some("aws") => {
            let emulator = aws::Emulator::start(aws::Options::default());
            hold(&emulator.endpoint(), emulator.folder())
        }
        Some(other) => Err(std::io::Error::other(format!(
            "no such server: {other}; there are `mongodb` and `aws`"
        ))),
    }
}

/// The server is the caller's, so it is there until this returns.
fn hold(address: &str, folder: &Path) -> std::io::Result<()> {
    println!("{address}\n{}", folder.display());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
