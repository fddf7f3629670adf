//! Makes sure that there is a folder for the page, and that a new page is embedded.

use std::path::Path;

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    // Without it the server is built without a page, and says so at `GET /`. A folder that is not there could not be
    // watched either.
    if let Err(error) = std::fs::create_dir_all(&dist) {
        // Cargo reads this; it is not the command's output.
        let _printed = std::io::Write::write_fmt(
            &mut std::io::stdout(),
            format_args!("cargo:warning=no folder for the page at {}: {error}\n", dist.display()),
        );
    }
    let _printed = std::io::Write::write_fmt(
        &mut std::io::stdout(),
        format_args!("cargo:rerun-if-changed={}\ncargo:rerun-if-changed=build.rs\n", dist.display()),
    );
}
