//! `tidemill schema`: the JSON Schema of a pipeline file.

use super::Ended;
use crate::{Context, Status};

pub(super) fn run(context: &mut Context) -> Ended {
    serde_json::to_writer_pretty(&mut context.out, &pipeline::schema()).map_err(std::io::Error::from)?;
    writeln!(context.out)?;
    Ok(Status::Well)
}
