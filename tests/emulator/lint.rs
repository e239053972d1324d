//! The template as AWS's own tools see it.

use std::path::Path;

/// `sam validate --lint`, as `samconfig.toml` has it for each environment. It asks nothing of AWS, nor of the emulator.
#[test]
fn sam_finds_no_fault_in_the_template() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for environment in ["dev", "prod"] {
        let mut sam = servers::aws::sam();
        sam.current_dir(root).args(["validate", "--lint", "--config-env", environment]);
        let output = sam.output().unwrap();
        let said = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat();
        assert!(output.status.success(), "{environment}: {said}");
        assert!(said.contains("is a valid SAM Template"), "{environment}: {said}");
    }
}
