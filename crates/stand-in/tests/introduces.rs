//! Without a stage it plays nothing, and never looks like success.

use std::process::Command;

#[test]
fn it_says_what_it_is_and_exits_non_zero() {
    let output = Command::new(env!("CARGO_BIN_EXE_api-simulator-stand-in"))
        .arg("anything")
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(69));
    assert_eq!(output.stdout, b"api-simulator-stand-in 1\n");
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("plays nothing")
    );
}
