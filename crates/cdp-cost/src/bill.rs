//! What is paid for, and how much of it.

use std::fmt;

use crate::Price;

/// All of a month.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub service: Service,
    pub what: &'static str,
    /// Of the price's unit, in a month.
    pub quantity: f64,
    pub unit: String,
    pub dollars: f64,
}

/// In the order of the road.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    ApiGateway,
    Kinesis,
    Lambda,
    DynamoDb,
    S3,
    CloudWatch,
    XRay,
    SecretsManager,
}

impl Service {
    pub const ALL: [Self; 8] = [
        Self::ApiGateway,
        Self::Kinesis,
        Self::Lambda,
        Self::DynamoDb,
        Self::S3,
        Self::CloudWatch,
        Self::XRay,
        Self::SecretsManager,
    ];
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiGateway => "API Gateway",
            Self::Kinesis => "Kinesis",
            Self::Lambda => "Lambda",
            Self::DynamoDb => "DynamoDB",
            Self::S3 => "S3",
            Self::CloudWatch => "CloudWatch",
            Self::XRay => "X-Ray",
            Self::SecretsManager => "Secrets Manager",
        })
    }
}

impl Bill {
    /// What is not used is not listed.
    pub(crate) fn add(&mut self, service: Service, what: &'static str, quantity: f64, price: &Price) {
        if quantity == 0.0 {
            return;
        }
        let dollars = quantity * price.dollars / price.per;
        self.terms.push(Term { service, what, quantity, unit: price.unit.clone(), dollars });
    }

    pub fn dollars(&self) -> f64 {
        self.terms.iter().map(|term| term.dollars).sum()
    }

    pub fn dollars_of(&self, service: Service) -> f64 {
        self.terms.iter().filter(|term| term.service == service).map(|term| term.dollars).sum()
    }
}
