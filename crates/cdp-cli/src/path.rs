//! Names in a URL's path.

/// Percent-encodes what a path segment may not hold.
pub fn in_a_path(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::in_a_path;

    #[test]
    fn names_are_safe_in_a_path() {
        assert_eq!(in_a_path("email:j+1@x.org"), "email:j%2B1@x.org");
        assert_eq!(in_a_path("user_id:a/b ü"), "user_id:a%2Fb%20%C3%BC");
    }
}
