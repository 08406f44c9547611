//! Any configuration file is read or refused with a text.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wharf_model::name::NameRule;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| wharf_fuzz::folder().join("wharf.yml"));

fuzz_target!(|contents: &[u8]| {
    fs::write(&*FILE, contents).expect("write the file");
    for names in [NameRule::Legacy, NameRule::Utf8] {
        if let Err(error) = wharf::config_file::read(&FILE, names) {
            assert!(error.to_string().starts_with(&*FILE.to_string_lossy()), "{error}");
        }
    }
});
