//! Why a command did not do what it was asked for, as an exit code that scripts can use and a line that people can.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use cdp_local::{DeploymentError, DoorError, DropError, NotDroppable, OpenError, UpError};
use cdp_remote::RemoteError;

use crate::output::harmless;

#[derive(Debug)]
pub enum Fault {
    /// 1: the answer is no. What was asked for is not there, or does not hold.
    No(String),
    /// 2: the command or the configuration is wrong.
    Wrong(String),
    /// 3: it may work later, or elsewhere.
    Unavailable(String),
    /// The reader of our output has enough (`cdp query … | head`): no fault of anybody.
    NobodyReads,
    /// By Ctrl-C.
    Interrupted,
}

/// As a shell tells it of a command that Ctrl-C ended.
pub const INTERRUPTED: i32 = 130;

impl Fault {
    pub fn no(what: impl Display) -> Self {
        Self::No(what.to_string())
    }

    pub fn wrong(what: impl Display) -> Self {
        Self::Wrong(what.to_string())
    }

    pub fn unavailable(what: impl Display) -> Self {
        Self::Unavailable(what.to_string())
    }

    pub fn report(&self) -> ExitCode {
        let (code, message) = match self {
            Self::No(message) => (1, message),
            Self::Wrong(message) => (2, message),
            Self::Unavailable(message) => (3, message),
            Self::NobodyReads => return ExitCode::SUCCESS,
            Self::Interrupted => return ExitCode::from(INTERRUPTED as u8),
        };
        if !message.is_empty() {
            eprintln!("cdp: {}", harmless(message.clone()));
        }
        ExitCode::from(code)
    }
}

impl From<DeploymentError> for Fault {
    fn from(error: DeploymentError) -> Self {
        match error {
            DeploymentError::InUse { .. } | DeploymentError::Locked(_) => Self::unavailable(error),
            DeploymentError::NoDeployment(_)
            | DeploymentError::AlreadyThere(_)
            | DeploymentError::Io { .. }
            | DeploymentError::Config(_) => Self::wrong(error),
        }
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Front(_) | OpenError::Token(_) => Self::wrong(error),
            OpenError::Port(_) => Self::unavailable(error),
        }
    }
}

impl From<DoorError> for Fault {
    fn from(error: DoorError) -> Self {
        match error {
            DoorError::Deployment(error) => error.into(),
            DoorError::Open(error) => error.into(),
            DoorError::NoToken | DoorError::Path(..) => Self::wrong(error),
            DoorError::NoAnswer { .. } | DoorError::BrokenAnswer(_) => Self::unavailable(error),
        }
    }
}

impl From<DropError> for Fault {
    fn from(error: DropError) -> Self {
        match error {
            DropError::Deployment(error) => error.into(),
            DropError::Open(error) => error.into(),
            DropError::NoSource { .. }
            | DropError::WhichSource(_)
            | DropError::NotDroppable(_)
            | DropError::Io { .. } => Self::wrong(error),
            DropError::Intake(_) | DropError::Commit(_) => Self::unavailable(error),
        }
    }
}

impl From<NotDroppable> for Fault {
    fn from(error: NotDroppable) -> Self {
        Self::wrong(error)
    }
}

impl From<RemoteError> for Fault {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::NoRegion
            | RemoteError::NoCredentials(_)
            | RemoteError::NoStack { .. }
            | RemoteError::NoOutput { .. }
            | RemoteError::NotALake(_)
            | RemoteError::NotDroppable(_)
            | RemoteError::Io { .. } => Self::wrong(error),
            RemoteError::NoTables(_)
            | RemoteError::Query(_)
            | RemoteError::Port(_)
            | RemoteError::Front(_)
            | RemoteError::Bucket { .. }
            | RemoteError::Report { .. } => Self::unavailable(error),
        }
    }
}

impl From<UpError> for Fault {
    fn from(error: UpError) -> Self {
        match error {
            UpError::Deployment(error) => error.into(),
            UpError::Open(error) => error.into(),
            UpError::Listen { .. }
            | UpError::Process(_)
            | UpError::Metrics(_)
            | UpError::Stream(_)
            | UpError::Stopped { .. } => Self::unavailable(error),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::NobodyReads } else { Self::unavailable(error) }
    }
}
