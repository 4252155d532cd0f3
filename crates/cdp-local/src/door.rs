//! The door to a deployment's HTTP API: at the process that runs it, or in this process when none does. So a command
//! asks in one way, and gets the same answer, whether the platform runs or not, and wherever.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::ServiceExt;

use crate::deployment::{Deployment, DeploymentError, Lock, Running};
use crate::front::Front;
use crate::platform::{COMMAND_BYTES, OpenError, Platform};

pub struct Door {
    way: Way,
    token: String,
}

enum Way {
    There { client: Box<Client<HttpConnector, Body>>, address: std::net::SocketAddr },
    Here { router: Router, _lock: Option<Lock> },
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("no token may do this; add one with the scope `admin` under [api_tokens] in secrets.toml")]
    NoToken,
    #[error("{0:?} can't be asked for: {1}")]
    Path(String, axum::http::Error),
    #[error("the platform at {address} does not answer: {cause}; see its output, or stop it and try again")]
    NoAnswer { address: std::net::SocketAddr, cause: String },
    #[error("the answer broke off: {0}; try again")]
    BrokenAnswer(axum::Error),
}

impl Door {
    pub async fn open(dir: &Path) -> Result<Self, DoorError> {
        let deployment = Deployment::open(dir)?;
        let token = deployment.config.secrets.admin_token().ok_or(DoorError::NoToken)?.expose().to_owned();
        if let Some(Running { address, .. }) = Running::find(dir) {
            let client = Box::new(Client::builder(TokioExecutor::new()).build_http());
            return Ok(Self { way: Way::There { client, address }, token });
        }
        let lock = Lock::take(dir)?;
        let platform = Arc::new(Platform::open(deployment, COMMAND_BYTES)?);
        let router = Front::assemble(&platform, cdp_api::Metrics::detached())?.router;
        Ok(Self { way: Way::Here { router, _lock: Some(lock) }, token })
    }

    /// To routes of this process over a deployment that is elsewhere. `token`: one that they let in.
    pub fn to(router: Router, token: impl Into<String>) -> Self {
        Self { way: Way::Here { router, _lock: None }, token: token.into() }
    }

    pub async fn get(&self, path: &str) -> Result<Answer, DoorError> {
        self.ask(path, Request::get(self.uri(path)).body(Body::empty())).await
    }

    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Answer, DoorError> {
        let request = Request::post(self.uri(path)).header(header::CONTENT_TYPE, "application/json");
        self.ask(path, request.body(Body::from(body.to_string()))).await
    }

    async fn ask(&self, path: &str, request: Result<Request<Body>, axum::http::Error>) -> Result<Answer, DoorError> {
        let mut request = request.map_err(|error| DoorError::Path(path.to_owned(), error))?;
        let bearer = format!("Bearer {}", self.token).try_into();
        let bearer = bearer.map_err(|_| DoorError::NoToken)?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let (status, body) = match &self.way {
            Way::There { client, address } => {
                let no_answer = |error: hyper_util::client::legacy::Error| DoorError::NoAnswer {
                    address: *address,
                    cause: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
                };
                let response = client.request(request).await.map_err(no_answer)?;
                (response.status(), Body::new(response.into_body()))
            }
            Way::Here { router, .. } => {
                let response = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
                (response.status(), response.into_body())
            }
        };
        let body = to_bytes(body, usize::MAX).await.map_err(DoorError::BrokenAnswer)?;
        Ok(Answer { status, body })
    }

    fn uri(&self, path: &str) -> String {
        match &self.way {
            Way::There { address, .. } => format!("http://{address}{path}"),
            Way::Here { .. } => path.to_owned(),
        }
    }
}
