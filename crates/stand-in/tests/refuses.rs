//! Not implemented never looks like success.

use std::process::Command;

#[test]
fn it_exits_non_zero_and_says_why_on_stderr_only() {
    let output = Command::new(env!("CARGO_BIN_EXE_api-simulator-stand-in"))
        .output()
        .unwrap();

    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr.contains("not implemented"), "stderr was: {stderr}");
    assert!(output.stdout.is_empty());
}
