//! `docs/c.md`: its code is that of the examples.

use std::fs;

use crate::staged::{example, repository};

#[test]
fn the_code_of_the_guide_is_in_the_examples() {
    let guide = fs::read_to_string(repository().join("docs/c.md")).unwrap();
    let files = ["issue.c", "verify.c", "mtls.c", "mtls_server.c", "mtls_client.c", "raii.cpp"];
    let examples: String =
        files.iter().map(|file| fs::read_to_string(example(file)).unwrap()).collect();
    let mut blocks = 0;
    for language in ["\n```c\n", "\n```cpp\n"] {
        for block in guide.split(language).skip(1) {
            blocks += 1;
            for line in block.split("```").next().unwrap().lines() {
                assert!(examples.contains(line.trim()), "not in an example: {line}");
            }
        }
    }
    assert!(blocks >= 3, "only {blocks} blocks of code");
}
