//! Makes a deployment: the folder, its settings, fresh secrets.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cdp_deployment::{SECRETS_FILE, SETTINGS_FILE, TEMPLATE, USUAL_REQUESTS_PER_SECOND};

use super::DeploymentError;

/// What the template names its sources.
const API_SOURCE: &str = "web";
const STREAM: &str = "events";
const DROP_SOURCE: &str = "partner";

/// What a producer and a reader need to know of a new deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub write_key: String,
    pub api_token: String,
    pub stream: String,
    pub drop_source: String,
}

pub fn init(dir: &Path) -> Result<Created, DeploymentError> {
    if dir.join(SETTINGS_FILE).exists() || dir.join(SECRETS_FILE).exists() {
        return Err(DeploymentError::AlreadyThere(dir.to_owned()));
    }
    let created = Created {
        write_key: secret("wk"),
        api_token: secret("tok"),
        stream: STREAM.to_owned(),
        drop_source: DROP_SOURCE.to_owned(),
    };
    make_folder(&dir.join("drops").join(DROP_SOURCE))?;
    // Secrets first: settings without secrets would be a deployment that can't start.
    write_new(&dir.join(SECRETS_FILE), &secrets_text(&created), 0o600)?;
    write_new(&dir.join(SETTINGS_FILE), TEMPLATE, 0o644)?;
    write_new(&dir.join(".gitignore"), "secrets.toml\nrun.json\n/drops/\n/lake/\n/log/\n/state/\n", 0o644)?;
    Ok(created)
}

fn secrets_text(created: &Created) -> String {
    let Created { write_key, api_token, .. } = created;
    format!(
        "# Keep this file out of git, and its mode at 600.\n\n\
         [write_keys]\n{API_SOURCE} = \"{write_key}\"\n\n\
         # Scopes: profiles:read, admin.\n[api_tokens.admin]\ntoken = \"{api_token}\"\nscopes = [\"profiles:read\", \"admin\"]\n\
         # requests_per_second = {USUAL_REQUESTS_PER_SECOND}\n\n\
         # Access keys for the Kinesis API: AKIDEXAMPLE = \"its secret\". While there are none, whoever reaches it may write.\n[access_keys]\n\n\
         # What a webhook's sender signs with, by webhook. Two in a list, while one is being renewed.\n[webhooks]\n"
    )
}

/// 192 bits from the operating system.
fn secret(prefix: &str) -> String {
    let words: [u64; 3] = std::array::from_fn(|_| rand::random());
    let [a, b, c] = words;
    format!("{prefix}_{a:016x}{b:016x}{c:016x}")
}

fn make_folder(path: &Path) -> Result<(), DeploymentError> {
    fs::create_dir_all(path).map_err(|source| DeploymentError::Io { path: path.to_owned(), source })
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), DeploymentError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    match options.open(path).and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        // A .gitignore of the user's own.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(DeploymentError::Io { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use cdp_deployment::{Config, ConfigError};

    use super::*;
    use crate::Deployment;

    #[test]
    fn what_was_made_can_be_opened() {
        let dir = tempfile::tempdir().expect("a folder");
        let created = init(dir.path()).expect("an empty folder");
        let deployment = Deployment::open(dir.path()).expect("sound");
        let Config { settings, secrets, .. } = &deployment.config;
        assert_eq!(secrets.write_keys["web"].expose(), created.write_key);
        assert_eq!(secrets.admin_token().map(|token| token.expose()), Some(created.api_token.as_str()));
        assert!(settings.drops.contains_key(&created.drop_source));
        assert_eq!(settings.stream.name, created.stream);
    }

    #[test]
    fn a_second_init_changes_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        init(dir.path()).expect("an empty folder");
        let before = fs::read_to_string(dir.path().join(SECRETS_FILE)).expect("there");
        assert!(matches!(init(dir.path()), Err(DeploymentError::AlreadyThere(_))));
        assert_eq!(fs::read_to_string(dir.path().join(SECRETS_FILE)).expect("there"), before);
    }

    #[test]
    fn open_secrets_stop_the_start() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        init(dir.path()).expect("an empty folder");
        let path = dir.path().join(SECRETS_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("allowed");
        let opened = Deployment::open(dir.path());
        assert!(matches!(opened, Err(DeploymentError::Config(ConfigError::OpenSecrets(_)))));
    }

    #[test]
    fn a_source_without_its_key_stops_the_start() {
        let dir = tempfile::tempdir().expect("a folder");
        init(dir.path()).expect("an empty folder");
        let path = dir.path().join(SETTINGS_FILE);
        fs::write(&path, TEMPLATE.replacen("[api.web]", "[api.shop]", 1)).expect("written");
        let error = Deployment::open(dir.path()).expect_err("no key").to_string();
        let missing = "secrets.toml: write_keys.shop: it is missing; [api.shop] in cdp.toml needs a write key";
        assert_eq!(error.lines().next(), Some(missing), "{error}");
    }
}
