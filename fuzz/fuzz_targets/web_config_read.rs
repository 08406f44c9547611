//! Any web config file is read or refused with a text.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| wharf_fuzz::folder().join("web.yml"));

fuzz_target!(|contents: &[u8]| {
    fs::write(&*FILE, contents).expect("write the file");
    if let Err(error) = wharf::web_config::open(&FILE, "web.config.file") {
        assert!(!error.to_string().is_empty());
    }
});
