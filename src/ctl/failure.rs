//! How a command of `ctl` ends when it does not end well.

use super::client::CallError;
use super::problem::Problem;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CtlFailure {
    /// Something that was asked for and cannot be.
    #[error("{0}")]
    Usage(String),
    /// A file that holds no schedules, or wrong ones.
    #[error("{0}")]
    Data(String),
    /// No usable answer came.
    #[error("{0}")]
    Unreachable(String),
    /// This machine is at fault.
    #[error("{0}")]
    Fault(String),
    /// What was waited for did not come in time.
    #[error("{0}")]
    TimedOut(String),
    /// The token is not accepted, or allows too little.
    #[error("{0}")]
    Denied(Box<Problem>),
    /// The service said no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// A job ended otherwise than SUCCEEDED, or several schedules were refused.
    #[error("{0}")]
    Ended(String),
    /// Address, token or context file are missing or wrong.
    #[error("{0}")]
    NotConfigured(String),
}

impl CtlFailure {
    /// The exit code, after sysexits.h where there is one.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Ended(_) => 1,
            Self::Usage(_) => 64,
            Self::Data(_) => 65,
            Self::Unreachable(_) => 69,
            Self::Fault(_) => 70,
            Self::TimedOut(_) => 75,
            Self::Denied(_) => 77,
            Self::NotConfigured(_) => 78,
        }
    }
}

impl From<CallError> for CtlFailure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Lost { message, .. } | CallError::Strange { message, .. } => Self::Unreachable(message),
            CallError::Problem(problem) => match problem.status {
                401 | 403 => Self::Denied(problem),
                // The service is there, and cannot now: the same for a script as if it were not there.
                502..=504 => Self::Unreachable(problem.to_string()),
                _ => Self::Refused(problem),
            },
        }
    }
}

impl From<std::io::Error> for CtlFailure {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(format!("cannot write the output: {error}"))
    }
}
