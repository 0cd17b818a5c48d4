//! How a command ends: the exit codes of sysexits.h, and 1 for a check that found something.

use std::io;

use crate::app::AppError;
use crate::config::ConfigMistakes;
use crate::ctl::CtlFailure;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was to be checked is not as it should be.
    #[error("{0}")]
    CheckFailed(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Configuration(#[from] ConfigMistakes),
    /// The configuration is sound, but not for this command.
    #[error("{0}")]
    NotConfigured(String),
    /// A fault of the service or of the machine.
    #[error("{0:#}")]
    Internal(anyhow::Error),
    /// A command of `ctl`.
    #[error("{0}")]
    Ctl(#[from] CtlFailure),
}

/// Wrong usage; clap says how.
pub(super) const USAGE: u8 = 64;

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::CheckFailed(_) => 1,
            Self::Internal(_) => 70,
            Self::Configuration(_) | Self::NotConfigured(_) => 78,
            Self::Ctl(failure) => failure.code(),
        }
    }
}

impl Failure {
    /// The end of a command that runs: a configuration that cannot be used is no fault of the service.
    pub(super) fn of_command(error: anyhow::Error) -> Self {
        match error.downcast::<ConfigMistakes>() {
            Ok(mistakes) => Self::Configuration(mistakes),
            Err(error) if matches!(error.downcast_ref(), Some(AppError::Configuration { .. })) => {
                Self::NotConfigured(format!("{error:#}"))
            }
            Err(error) => Self::Internal(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Internal(anyhow::Error::new(error).context("cannot write the output"))
    }
}
