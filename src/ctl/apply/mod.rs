//! `ctl schedules apply`: makes the service's schedules those of files.
//!
//! Three steps, each whole before the next: read and check all files ([`files`]); ask the service what is there and what each
//! document would be there ([`plan`]); carry out what differs ([`carry_out`]). So a mistake in the last file changes nothing.

mod carry_out;
mod documents;
mod fields;
mod files;
mod plan;

use super::args::ApplyArgs;
use super::failure::CtlFailure;
use super::output::Session;

/// Carries out the command.
///
/// # Errors
/// What is wrong with the files, what the service refused, or that it could not be reached.
pub async fn apply(session: &mut Session<'_>, args: ApplyArgs) -> Result<(), CtlFailure> {
    let ApplyArgs { files, dry_run, prune, label } = args;
    let wanted = files::read(&files, session.around.input)?;
    let label = label.filter(|_| prune);
    let plan = plan::make(session, wanted, label.as_deref()).await?;
    carry_out::carry_out(session, plan, dry_run).await
}
