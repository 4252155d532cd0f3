use cdp_deployment::ConfigError;
use cdp_local::{Deployment, DeploymentError};
use clap::Args;
use serde_json::Value;

use super::Dir;
use crate::fault::Fault;
use crate::output::{Format, Rows};

/// Tells whether a deployment's settings and secrets are sound, and what they come to.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cdp check --dir shop\n\nExits with 1 when they are not sound.")]
pub struct Check {
    #[command(flatten)]
    at: Dir,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Check {
    pub fn run(self) -> Result<(), Fault> {
        let deployment = Deployment::open(&self.at.dir).map_err(unsound)?;
        let settings = &deployment.config.settings;
        let mut rows = Rows::new(&["what", "name", "setting"]);
        let mut told = |what: &str, name: &str, setting: String| {
            rows.push([what, name, &setting].map(Value::from));
        };
        told("stream", &settings.stream.name, format!("{} shards", settings.stream.shards));
        for (name, source) in &settings.api {
            let rate = source.events_per_second.map_or("any rate".to_owned(), |rate| format!("{rate} events/s"));
            told("api source", name, rate);
        }
        for (name, source) in &settings.drops {
            let mapping = if source.mapping.is_some() { "mapped columns" } else { "Segment-shaped rows" };
            told("drop source", name, mapping.to_owned());
        }
        for (name, webhook) in &settings.webhooks {
            let secrets = deployment.config.secrets.webhooks.get(name).map_or(0, Vec::len);
            let secrets = if secrets == 1 { "one secret" } else { "two secrets" };
            told("webhook", name, format!("signed as {}; {secrets}", webhook.scheme.as_str()));
        }
        told("identity rules", deployment.config.rules.version().as_str(), String::new());
        for token in &deployment.config.secrets.api_tokens {
            let scopes = token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
            told("token", &token.name, format!("{scopes}; {} requests/s", token.requests_per_second));
        }
        Ok(rows.print(self.format)?)
    }
}

/// Where there is nothing to check, the command is wrong; where there is, the answer is no.
fn unsound(error: DeploymentError) -> Fault {
    match error {
        DeploymentError::NoDeployment(_)
        | DeploymentError::Io { .. }
        | DeploymentError::Config(ConfigError::Io { .. }) => error.into(),
        DeploymentError::Config(
            ConfigError::Syntax { .. }
            | ConfigError::Setting { .. }
            | ConfigError::OpenSecrets(_)
            | ConfigError::Several(_),
        )
        | DeploymentError::AlreadyThere(_)
        | DeploymentError::InUse { .. }
        | DeploymentError::Locked(_) => Fault::no(error),
    }
}
