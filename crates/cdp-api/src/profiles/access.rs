//! Who may ask, and how often.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cdp_ports::Clock;
use sha2::{Digest, Sha256};

use super::Profiles;
use super::refusal::Refusal;
use crate::credentials::token_in;
use crate::rate::{self, Rate};
use crate::{RequestId, Secret};

/// As Segment calls it; `x-request-id` says the same.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

#[derive(Clone, Debug)]
pub struct Token {
    pub name: String,
    pub token: Secret,
    pub scopes: Vec<Scope>,
    /// Requests above this rate are answered with 429.
    pub requests_per_second: NonZeroU32,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    ProfilesRead,
    /// Everything.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 2] = [Self::ProfilesRead, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProfilesRead => "profiles:read",
            Self::Admin => "admin",
        }
    }

    const fn reads_profiles(self) -> bool {
        match self {
            Self::ProfilesRead | Self::Admin => true,
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no scope {0:?}; use profiles:read or admin")]
pub struct NotAScope(String);

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(name: &str) -> Result<Self, NotAScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or_else(|| NotAScope(name.to_owned()))
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadToken {
    #[error("token {0:?} is empty; give it at least 16 characters")]
    Empty(String),
    #[error("token {0:?} is the same as another; give each its own")]
    Shared(String),
}

/// Tokens by their digests, so that how long a look-up takes says nothing of a token's text.
pub(super) struct Tokens(HashMap<[u8; 32], KnownToken>);

struct KnownToken {
    name: String,
    may_read: bool,
    rate: Rate,
}

impl Tokens {
    pub fn new(tokens: Vec<Token>, clock: &Arc<dyn Clock>) -> Result<Self, BadToken> {
        let mut known = HashMap::with_capacity(tokens.len());
        for Token { name, token, scopes, requests_per_second } in tokens {
            if token.expose().is_empty() {
                return Err(BadToken::Empty(name));
            }
            let shown = name.clone();
            let rate = Rate::new(requests_per_second, Arc::clone(clock));
            let token_known = KnownToken { name, may_read: scopes.into_iter().any(Scope::reads_profiles), rate };
            if known.insert(digest(token.expose()), token_known).is_some() {
                return Err(BadToken::Shared(shown));
            }
        }
        Ok(Self(known))
    }

    fn of(&self, request: &Request) -> Result<&KnownToken, Refusal> {
        let token = token_in(request.headers()).filter(|token| !token.is_empty()).ok_or(Refusal::NoToken)?;
        self.0.get(&digest(&token)).ok_or(Refusal::UnknownToken)
    }
}

impl KnownToken {
    /// Answers how many requests more it may make at once.
    fn admit(&self) -> Result<u32, Refusal> {
        if !self.may_read {
            return Err(Refusal::Forbidden { token: self.name.clone() });
        }
        self.rate.take_one().map_err(|wait| Refusal::TooFast { token: self.name.clone(), wait })
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Around every route here: lets in who may ask, says how much more it may, and names the request as Segment does.
pub(super) async fn guard<S>(State(profiles): State<Arc<Profiles<S>>>, request: Request, next: Next) -> Response
where
    S: Send + Sync + 'static,
{
    let id = request.extensions().get::<RequestId>().cloned();
    let response = match profiles.tokens.of(&request) {
        Ok(token) => answer(token, request, next).await,
        Err(refusal) => refusal.into_response(),
    };
    named(id.as_ref(), response)
}

/// The answer with its request's id in Segment's header.
pub(super) fn named(id: Option<&RequestId>, mut response: Response) -> Response {
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id.to_header());
    }
    response
}

async fn answer(token: &KnownToken, request: Request, next: Next) -> Response {
    let (mut response, remaining) = match token.admit() {
        Ok(remaining) => (next.run(request).await, remaining),
        Err(refusal) => (refusal.into_response(), 0),
    };
    response.headers_mut().insert(rate::LIMIT, token.rate.limit().get().into());
    response.headers_mut().insert(rate::REMAINING, remaining.into());
    response
}

#[cfg(test)]
mod tests {
    use cdp_event::Timestamp;

    use super::*;

    struct NoClock;

    impl Clock for NoClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(0)
        }
    }

    #[test]
    fn a_token_that_can_not_be_told_from_another_stops_the_start() {
        let token = |name: &str, token: &str| Token {
            name: name.into(),
            token: Secret::new(token),
            scopes: vec![Scope::ProfilesRead],
            requests_per_second: NonZeroU32::MIN,
        };
        let clock: Arc<dyn Clock> = Arc::new(NoClock);
        for (tokens, expected) in [
            (vec![token("a", "1"), token("b", "2")], None),
            (vec![token("a", "1"), token("b", "1")], Some(BadToken::Shared("b".into()))),
            (vec![token("a", "")], Some(BadToken::Empty("a".into()))),
        ] {
            assert_eq!(Tokens::new(tokens, &clock).err(), expected);
        }
    }

    #[test]
    fn scopes_are_read_by_their_names() {
        assert!(Scope::ALL.into_iter().all(|scope| scope.as_str().parse() == Ok(scope)));
        assert!("profiles:write".parse::<Scope>().is_err());
    }
}
