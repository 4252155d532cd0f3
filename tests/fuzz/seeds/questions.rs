//! What is asked of the profile API.

/// Names of people.
pub fn names() -> Vec<Vec<u8>> {
    let names = [
        "user_id:jane",
        "email: J1@X.org ",
        "anonymous_id:phone3",
        "phone:+49 170 1234567",
        "ios.push_token:a:b/c?d#e",
        "prf_01kg9vmy9g8d3m5n7p9r1t3w5z",
        "prf_00000000000000000000000000",
        "user_id:Jörg\u{301}",
    ];
    names.map(|name| name.as_bytes().to_vec()).to_vec()
}

/// Paths with their queries.
pub fn questions() -> Vec<Vec<u8>> {
    let of_jane = "/v1/spaces/s/collections/users/profiles/user_id:jane";
    let parts = [
        "/traits?limit=3&include=t1,t2&verbose=true&next=t1",
        "/traits?class=audience",
        "/external_ids?limit=3&include=email,user_id&verbose=false&next=ZW1haWw6ajFAeC5vcmc",
        "/events?limit=2&include=identify&exclude=Seen&start=2026-01-31&end=2026-02-01T00:00:00%2B01:00&sort=asc",
        "/events?next=MTc2OTg1MDAwMDAwMDAwMDAwMDo6bTA=",
        "/metadata",
        "/links?limit=20",
    ];
    let others = [
        "/v1/profiles/user_id:jane?include=members,edges",
        "/v1/profiles/email%3Aj1%40x.org",
        "/v1/spaces/s/collections/accounts/profiles/user_id:jane/traits",
    ];
    let all = parts.iter().map(|part| format!("{of_jane}{part}")).chain(others.map(str::to_owned));
    all.map(String::into_bytes).collect()
}
