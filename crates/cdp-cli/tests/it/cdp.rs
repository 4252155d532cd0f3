//! The binary, and a deployment to run it on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Runs `cdp` to its end.
pub fn cdp<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    Outcome(command(arguments).output().expect("the binary runs"))
}

fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cdp"));
    command.args(arguments).env_remove("CDP_DIR").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

pub struct Outcome(Output);

impl Outcome {
    pub fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code(), Some(0), "{}{}", self.stdout(), self.stderr());
        self
    }

    /// It must end with this code, and say so.
    #[track_caller]
    pub fn fails(self, code: i32, saying: &str) -> Self {
        let stderr = self.stderr();
        assert_eq!(self.code(), Some(code), "{}{stderr}", self.stdout());
        assert!(stderr.contains(saying), "{saying:?} is not in: {stderr}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout()).unwrap_or_else(|error| panic!("{error}: {}", self.stdout()))
    }
}

/// A fresh deployment in a temporary folder.
pub struct Shop {
    folder: TempDir,
    pub write_key: String,
}

impl Shop {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("shop");
        let created =
            cdp([OsStr::new("init"), dir.as_os_str(), "--format".as_ref(), "json".as_ref()]).succeeds().json();
        let write_key = created["write_key"].as_str().expect("a key").to_owned();
        Self { folder, write_key }
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    pub fn cdp<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        Outcome(command(arguments).env("CDP_DIR", self.dir()).output().expect("the binary runs"))
    }

    /// In a shell that knows no account and no region.
    pub fn without_aws<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        Outcome(self.outside_of_aws(arguments).output().expect("the binary runs"))
    }

    pub fn without_credentials<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let mut command = self.outside_of_aws(arguments);
        Outcome(command.env("AWS_REGION", "eu-central-1").output().expect("the binary runs"))
    }

    fn outside_of_aws<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = command(arguments);
        let nothing = self.folder.path().join("no-such-file");
        let is_of_aws = |name: &OsStr| name.to_string_lossy().starts_with("AWS_");
        std::env::vars_os().map(|(name, _)| name).filter(|name| is_of_aws(name)).for_each(|name| {
            command.env_remove(name);
        });
        // Nor does it ask the machine, as if that were one of Amazon's.
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", &nothing);
        command.env("AWS_SHARED_CREDENTIALS_FILE", &nothing).env("CDP_DIR", self.dir());
        command
    }

    /// A file beside the deployment.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    pub fn up(&self) -> Up {
        let process = command(["up", "--listen", "127.0.0.1:0"])
            .env("CDP_DIR", self.dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut up = Up { process, address: String::new() };
        up.address = up.wait_for_address(&self.dir().join("run.json"));
        up
    }
}

/// `cdp up` of a deployment; it ends with this value.
pub struct Up {
    process: Child,
    pub address: String,
}

impl Up {
    fn wait_for_address(&mut self, run_json: &Path) -> String {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            assert!(self.process.try_wait().expect("its status").is_none(), "`cdp up` has ended");
            let text = std::fs::read(run_json).unwrap_or_default();
            if let Some(address) =
                serde_json::from_slice::<Value>(&text).ok().and_then(|run| Some(run["address"].as_str()?.to_owned()))
            {
                return address;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("`cdp up` does not say where it listens");
    }

    /// As Ctrl-C does.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
        self.process.wait().expect("its status").code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
