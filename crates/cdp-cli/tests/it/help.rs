use crate::cdp::cdp;

#[test]
fn each_command_helps_with_an_example() {
    for command in [
        "init",
        "up",
        "drop",
        "profile",
        "query",
        "quarantine list",
        "quarantine show",
        "quarantine replay",
        "replay",
        "verify",
        "check",
        "bench",
        "bench road",
        "bench parse",
        "bench profiles",
        "bench http",
        "bench lookup",
        "bench identity",
    ] {
        let help = cdp(command.split(' ').chain(["--help"])).succeeds().stdout();
        assert!(help.contains(&format!("Example:\n  cdp {command}")), "{command}: {help}");
    }
}

#[test]
fn the_first_help_says_how_to_begin_and_what_exit_codes_mean() {
    let help = cdp(["--help"]).succeeds().stdout();
    for part in ["cdp init shop", "cdp up --dir shop", "Exit codes"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}
