//! Which deployment a command is about, and the ways into it. A command is written once: what is different in a folder and on
//! AWS is told apart here, and for files in [`drops`](crate::drops).

use std::path::PathBuf;

use adapter_athena::AthenaWarehouse;
use cdp_local::{Deployment, Door, Query};
use cdp_ports::{Answer, FaultKind, PortError, Warehouse};
use cdp_remote::{Front, Remote};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::drops::{Bucket, Drops, Folder};
use crate::fault::Fault;

/// The deployment that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    Folder(PathBuf),
    Aws { stage: String },
}

#[derive(Debug, Args)]
struct Arguments {
    /// The deployment's folder.
    #[arg(long, default_value = ".", env = "CDP_DIR")]
    dir: PathBuf,
    /// Asks the deployment on AWS and not a folder's, by the shell's profile and region (AWS_PROFILE, AWS_REGION).
    #[arg(long)]
    aws: bool,
    /// Which deployment on AWS, by its name; its stack is cdp-NAME.
    #[arg(long, default_value = "dev", requires = "aws")]
    stage: String,
}

/// What reads the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Amazon Athena, in the deployment's workgroup: nothing is read by this machine.
    Athena,
    /// This process, as in a folder: it reads the bucket.
    Datafusion,
}

/// The tables, as an engine reads them.
pub enum Tables {
    Here(Query),
    Athena(AthenaWarehouse),
}

impl At {
    /// To the HTTP API.
    pub async fn door(&self) -> Result<Door, Fault> {
        match self {
            Self::Folder(dir) => Ok(Door::open(dir).await?),
            Self::Aws { stage } => {
                let Front { router, token } = Front::assemble(&Remote::find(stage).await?)?;
                Ok(Door::to(router, token))
            }
        }
    }

    /// `engine`: on AWS, Athena if none is named.
    pub async fn tables(&self, engine: Option<Engine>) -> Result<Tables, Fault> {
        match (self, engine) {
            (Self::Folder(dir), _) => Ok(Tables::Here(Deployment::open(dir)?.tables().map_err(Fault::unavailable)?)),
            (Self::Aws { stage }, Some(Engine::Datafusion)) => Ok(Tables::Here(Remote::find(stage).await?.query()?)),
            (Self::Aws { stage }, Some(Engine::Athena) | None) => {
                Ok(Tables::Athena(Remote::find(stage).await?.warehouse()?))
            }
        }
    }

    /// What takes files.
    pub fn drops(&self) -> Result<Box<dyn Drops>, Fault> {
        match self {
            Self::Folder(dir) => Ok(Box::new(Folder::open(dir)?)),
            Self::Aws { stage } => Ok(Box::new(Bucket::find(stage)?)),
        }
    }
}

impl Tables {
    pub async fn run(&self, statement: &str) -> Result<Answer, Fault> {
        let answer = match self {
            Self::Here(query) => query.run(statement).await,
            Self::Athena(warehouse) => warehouse.run(statement).await,
        };
        answer.map_err(of_statement)
    }
}

/// Why a statement came to nothing.
pub fn of_statement(error: PortError) -> Fault {
    match (error.kind, &error.source) {
        (FaultKind::Refused, Some(why)) => Fault::wrong(why),
        _ => Fault::unavailable(error),
    }
}

impl FromArgMatches for At {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Arguments { dir, aws, stage } = Arguments::from_arg_matches(matches)?;
        // A folder that CDP_DIR names for the whole shell is no contradiction.
        let is_dir_given = matches.value_source("dir") == Some(ValueSource::CommandLine);
        match aws {
            true if is_dir_given => {
                let message = "--dir names a deployment in a folder, --aws one on AWS: give one of them\n";
                Err(clap::Error::raw(ErrorKind::ArgumentConflict, message))
            }
            true => Ok(Self::Aws { stage }),
            false => Ok(Self::Folder(dir)),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for At {
    fn augment_args(command: Command) -> Command {
        Arguments::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Arguments::augment_args_for_update(command)
    }
}
