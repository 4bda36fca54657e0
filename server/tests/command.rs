//! The `tidemark` command, run as an operator runs it.
#![expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]

use std::process::{Command, Output};

fn tidemark(arguments: &[&str]) -> Output {
    // Nothing listens there: a command that comes as far as the database fails at that.
    let nowhere = "postgres://postgres@127.0.0.1:9/postgres";
    Command::new(env!("CARGO_BIN_EXE_tidemark")).args(arguments).env("DATABASE_URL", nowhere).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn calendar_overrides_that_can_not_be_used_stop_the_command_with_a_reason() {
    let file = std::env::temp_dir().join(format!("tidemark-overrides-{}", std::process::id()));
    let path = file.display().to_string();

    let missing = tidemark(&["tick", "--calendar-overrides", &path]);
    assert!(!missing.status.success());
    assert!(said(&missing).contains(&format!("The calendar overrides in {path} can't be read")), "{}", said(&missing));

    std::fs::write(&file, "# mourning\nXNYS 2027-01-15 shut\n").unwrap();
    let bad = tidemark(&["tick", "--calendar-overrides", &path]);
    assert!(!bad.status.success());
    let reason = "Line 2: \"XNYS 2027-01-15 shut\" is not an override. Write `XNYS 2027-01-15 closed`";
    assert!(said(&bad).contains(reason), "{}", said(&bad));

    std::fs::write(&file, "# mourning\nXNYS 2027-01-15 closed\n").unwrap();
    let good = tidemark(&["tick", "--calendar-overrides", &path]);
    std::fs::remove_file(&file).unwrap();
    assert!(said(&good).contains("calendar overrides in force"), "{}", said(&good));
    assert!(said(&good).contains("The database can't be used"), "{}", said(&good));
}
