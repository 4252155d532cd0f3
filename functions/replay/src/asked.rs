//! What woke the function: messages of its queue.

use serde::Deserialize;

/// Of an SQS event, the texts.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(rename = "Records")]
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    body: String,
}

impl Asked {
    pub fn jobs(&self) -> impl Iterator<Item = &str> {
        self.messages.iter().map(|message| message.body.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_a_job() {
        let event = r#"{"Records":[{"messageId":"1","body":"{}","attributes":{}},{"messageId":"2","body":"x"}]}"#;
        let asked: Asked = serde_json::from_str(event).expect(event);
        assert_eq!(asked.jobs().collect::<Vec<_>>(), ["{}", "x"]);
    }
}
