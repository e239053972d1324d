//! Starts a server, says where it is, and holds it until the standard input ends.
#![allow(clippy::print_stdout, reason = "it is there to say it")]

use servers::mongodb::{Options, Server};
use std::io::Read;

fn main() -> std::io::Result<()> {
    let server = Server::start(Options::default());
    println!("{}", server.uri());
    println!("{}", server.folder().display());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
