//! State in DynamoDB.

use adapter_dynamodb::{DynamoState, PARTITION, SORT};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_of_state() {
    let config = crate::config().await;
    cdp_ports::conformance::state::all(async || fresh_table(&config).await).await;
}

async fn fresh_table(config: &SdkConfig) -> DynamoState {
    let name = crate::fresh_name("state");
    let mut request = Client::new(config).create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in [(PARTITION, KeyType::Hash), (SORT, KeyType::Range)] {
        let definition =
            AttributeDefinition::builder().attribute_name(attribute).attribute_type(ScalarAttributeType::S).build();
        let element = KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build();
        request = request.attribute_definitions(definition.expect("whole")).key_schema(element.expect("whole"));
    }
    request.send().await.expect("a new table");
    DynamoState::new(config, name)
}
