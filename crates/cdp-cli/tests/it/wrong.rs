//! What is asked for wrongly, or of the wrong place: an exit code for scripts, and a line that says what to do.

use std::fs;

use crate::cdp::{Shop, cdp};

#[test]
fn a_folder_that_is_no_deployment_is_told_how_to_become_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("text");
    for command in [
        vec!["up"],
        vec!["check"],
        vec!["verify"],
        vec!["query", "select 1"],
        vec!["profile", "user_id:jane"],
        vec!["drop", "people.csv"],
        vec!["quarantine", "list"],
        vec!["quarantine", "show", "x@1.0"],
        vec!["quarantine", "replay"],
    ] {
        cdp(command.into_iter().chain(["--dir", dir])).fails(2, &format!("make one with `cdp init {dir}`"));
    }
}

#[test]
fn a_folder_and_aws_are_not_asked_at_once() {
    let shop = Shop::new();
    for command in [
        vec!["verify"],
        vec!["query", "select 1"],
        vec!["profile", "user_id:jane"],
        vec!["drop", "people.csv", "--source", "partner"],
        vec!["quarantine", "list"],
        vec!["quarantine", "show", "x@1.0"],
        vec!["quarantine", "replay"],
        vec!["replay", "--from", "s3://old"],
    ] {
        let both = command.clone().into_iter().chain(["--aws", "--dir", "shop"]);
        cdp(both).fails(2, "--dir names a deployment in a folder, --aws one on AWS: give one of them");
        cdp(command.clone().into_iter().chain(["--stage", "prod"])).fails(2, "--aws");
        // A folder that the shell names for all commands is no contradiction; what is wrong then is that no region is set.
        shop.without_aws(command.iter().copied().chain(["--aws"])).fails(2, "set AWS_REGION");
    }
    cdp(["query", "select 1", "--engine", "athena"]).fails(2, "--aws");
    cdp(["up", "--aws"]).fails(2, "--aws");
    cdp(["replay", "--aws", "--from", "old-shop"]).fails(2, "name the lake of another deployment as s3://BUCKET");
}

#[test]
fn without_credentials_one_is_told_how_to_get_some() {
    Shop::new().without_credentials(["verify", "--aws"]).fails(2, "there are no AWS credentials");
}

#[test]
fn a_deployment_is_made_once() {
    let shop = Shop::new();
    let secrets = fs::read_to_string(shop.dir().join("secrets.toml")).expect("there");
    cdp(["init".as_ref(), shop.dir().as_os_str()]).fails(2, "is a deployment already");
    assert_eq!(fs::read_to_string(shop.dir().join("secrets.toml")).expect("there"), secrets);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let shop = Shop::new();
    let file = shop.file("a-file", "");
    let below = file.join("shop");
    cdp(["init".as_ref(), below.as_os_str()]).fails(2, "a-file/shop");
}

#[test]
fn a_wrong_setting_is_named_with_its_remedy() {
    let shop = Shop::new();
    let settings = shop.dir().join("cdp.toml");
    let text = fs::read_to_string(&settings).expect("there").replacen("shards = 2", "shards = 0", 1);
    fs::write(&settings, text).expect("written");
    let wrong = "cdp.toml: stream.shards: 0 shards; use 1 to 64";
    shop.cdp(["check"]).fails(1, wrong);
    shop.cdp(["up"]).fails(2, wrong);
    shop.cdp(["query", "select 1"]).fails(2, wrong);
    let text = fs::read_to_string(&settings).expect("there").replacen("shards = 0", "shards = 'two'", 1);
    fs::write(&settings, text).expect("written");
    shop.cdp(["check"]).fails(1, "expected a whole number");
}

#[test]
fn what_is_wrong_with_settings_and_with_secrets_is_told_at_once() {
    let shop = Shop::new();
    for (file, from, to) in [("cdp.toml", "shards = 2", "shards = 0"), ("secrets.toml", &*shop.write_key, "secret")] {
        let path = shop.dir().join(file);
        let text = fs::read_to_string(&path).expect("there").replacen(from, to, 1);
        fs::write(&path, text).expect("written");
    }
    let checked = shop.cdp(["check"]).fails(1, "cdp.toml: stream.shards: 0 shards; use 1 to 64\n");
    assert!(checked.stderr().contains("\nsecrets.toml: write_keys.web: too short"), "{}", checked.stderr());
}

#[test]
fn a_command_that_does_not_exist_is_answered_with_the_nearest_one() {
    cdp(["quary"]).fails(2, "query");
    cdp(["query"]).fails(2, "STATEMENT");
}

#[test]
fn what_a_command_cannot_find_is_an_answer_and_no_fault() {
    let shop = Shop::new();
    for name in ["user_id:nobody", "anonymous_id:nobody"] {
        let told = shop.cdp(["profile", name]).fails(1, name).stderr();
        assert!(!told.contains("known here"), "{told}");
    }
    shop.cdp(["profile", "usr:nobody"]).fails(1, "usr is none of those that are known here: android.id, ");
    shop.cdp(["quarantine", "show", "shardId-000000000000@17.0"]).fails(1, "nothing was refused at");
}

#[test]
fn a_wrong_argument_is_named_with_its_remedy() {
    let shop = Shop::new();
    shop.cdp(["profile", "jane"]).fails(2, "write NAMESPACE:VALUE");
    shop.cdp(["query", "select nothing from events"]).fails(2, "nothing");
    shop.cdp(["query", "drop table events"]).fails(2, "the tables can be read, not written");
    shop.cdp(["query", "selec 1"]).fails(2, "Expected: an SQL statement, found: selec at Line: 1");
    shop.cdp(["quarantine", "list", "--reason", "no_identifer"]).fails(2, "no_identifier");
    shop.cdp(["quarantine", "show", "17"]).fails(2, "`cdp quarantine list` prints them");
    shop.cdp(["quarantine", "replay", "--since", "yesterday"]).fails(2, "since: not a time: \"yesterday\"");
    shop.cdp(["drop", "--source", "partnr", "people.csv"]).fails(2, "there is partner");
    shop.cdp(["drop", "nowhere.csv"]).fails(2, "nowhere.csv");
}

#[test]
fn a_file_that_nobody_would_take_in_is_told_before_any_is_dropped() {
    let shop = Shop::new();
    let sound = shop.file("people.csv", "user_id\nu1\n");
    for (name, saying) in [
        (
            "a.part",
            "a.part: names that end in .part are passed over while a file is still written; give it another name",
        ),
        ("a.csv.TMP", "names that end in .tmp are passed over"),
        ("a.filepart", "names that end in .filepart are passed over"),
        (".a.csv", "names that begin with a dot are passed over as hidden; give it another name"),
    ] {
        let file = shop.file(name, "user_id\nu1\n");
        for more in [None, Some("--no-wait")] {
            let files = ["drop".as_ref(), sound.as_os_str(), file.as_os_str()];
            shop.cdp(files.into_iter().chain(more.map(AsRef::as_ref))).fails(2, saying);
        }
    }
    shop.cdp(["drop".as_ref(), sound.as_os_str(), "nowhere.csv".as_ref()]).fails(2, "nowhere.csv: No such file");
    let dropped = fs::read_dir(shop.dir().join("drops/partner")).expect("a folder").count();
    assert_eq!(dropped, 0, "the sound one waits for its mended companions");
}
