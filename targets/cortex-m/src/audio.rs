//! Mode "audio": to come with the front end.
use crate::report::Report;
use crate::{Job, Pool};
use residua_mailbox::Status;

pub fn run(_job: &Job<'_>, _pool: &mut Pool, _report: &mut Report) -> Result<(), Status> {
    let _ = crate::board::Led::new();
    Err(Status::NoFrontEnd)
}
